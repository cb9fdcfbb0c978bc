import type { IncomingHttpHeaders } from 'node:http';

export type ServerName = 'hub' | 'cdn' | 'web' | 'registry';

/** One request that reached a server, in its current state. */
export interface HubRequest {
  readonly server: ServerName;
  readonly method: string;
  /** Path and query as sent. */
  readonly url: string;
  readonly headers: Readonly<IncomingHttpHeaders>;
  /** The `Range` header. */
  readonly range: string | null;
  /** null while no headers have been sent. */
  readonly status: number | null;
  /** Bytes of the body that the kernel has taken. */
  readonly bytesSent: number;
  /** The response is over: all of it was sent, or the connection is gone. */
  readonly ended: boolean;
  /** The client left before the whole response was sent. */
  readonly aborted: boolean;
  /** The fault that it met. */
  readonly fault: FaultAction['kind'] | null;
}

export type RequestEntry = { -readonly [K in keyof HubRequest]: HubRequest[K] };

export type FaultAction =
  /**
   * Resets the connection after this many bytes of the body. A client that keeps up gets them all; for a slow one the kernel
   * drops some that are still on their way, as on any network.
   */
  | { readonly kind: 'reset'; readonly afterBytes: number }
  /** Closes it cleanly at that point, so that the body is too short. */
  | { readonly kind: 'close'; readonly afterBytes: number }
  /** Stops sending and leaves the connection open until the client leaves. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** Accepts the request and never responds. */
  | { readonly kind: 'no_headers' }
  /** Resets the connection before any header. */
  | { readonly kind: 'drop' }
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Responds with 200 and the whole file to a request for a range. */
  | { readonly kind: 'ignore_range' }
  /** Sends the right bytes of a range under a Content-Range that is one byte off, or under `value`. */
  | { readonly kind: 'wrong_content_range'; readonly value?: string }
  | { readonly kind: 'wrong_etag'; readonly etag?: string }
  /** Inverts the byte at this position of the file; matches requests whose range covers it. */
  | { readonly kind: 'corrupt'; readonly at: number }
  /** Responds with 200 and a page of HTML, as a captive portal does. */
  | { readonly kind: 'html' }
  /** Sends the body in chunks with no Content-Length. */
  | { readonly kind: 'no_length' }
  /** Expires all signed URLs issued so far, including the one of this request. */
  | { readonly kind: 'expire_signed_urls' };
