import { parseRange } from './range.ts';
import type { HubRequest, ServerName } from './record.ts';

/** Which requests a fault takes. */
export interface FaultMatch {
  /** Default `cdn`, where the bytes of large files come from. */
  readonly server?: ServerName;
  /** Default: GET for faults in the body, any method for the others. */
  readonly method?: string;
  /** A part of the URL's path and query, encoded or not. */
  readonly path?: string;
  /** How many matching requests it takes; default 1. */
  readonly times?: number;
}

export type FaultAction =
  /**
   * Resets the connection after that many bytes of the body. A client that reads at once gets them all; of what a slow one
   * has not taken in yet the kernel drops some, as on any network.
   */
  | { readonly kind: 'reset'; readonly afterBytes: number }
  /** Closes it cleanly there, so that the body is short. */
  | { readonly kind: 'close'; readonly afterBytes: number }
  /** Sends nothing more and leaves the connection open until the client goes. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** Takes the request and never answers. */
  | { readonly kind: 'no_headers' }
  /** Resets the connection before any header. */
  | { readonly kind: 'drop' }
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Answers 200 with the whole file to a request for a range. */
  | { readonly kind: 'ignore_range' }
  /** Sends the right bytes of a range under a Content-Range that is one byte off, or under `value`. */
  | { readonly kind: 'wrong_content_range'; readonly value?: string }
  | { readonly kind: 'wrong_etag'; readonly etag?: string }
  /** Inverts the byte at that place of the file; takes requests whose range covers it. */
  | { readonly kind: 'corrupt'; readonly at: number }
  /** Answers 200 with a page of HTML, as a captive portal does. */
  | { readonly kind: 'html' }
  /** Sends the body in chunks with no Content-Length. */
  | { readonly kind: 'no_length' }
  /** All signed URLs given out so far, this request's among them, expire now. */
  | { readonly kind: 'expire_signed_urls' };

export type Fault = FaultMatch & FaultAction;

export interface FaultHandle {
  /** Requests it has taken. */
  readonly taken: number;
  /** Takes it out of the queue. */
  remove(): void;
}

export interface FaultQueue {
  add(fault: Fault): FaultHandle;
  /** The first waiting fault that matches; it is used up by that. */
  take(request: HubRequest): Fault | null;
  readonly waiting: readonly Fault[];
  clear(): void;
}

const BODY_FAULTS: readonly string[] = ['reset', 'close', 'stall', 'corrupt'];
const RANGE_FAULTS: readonly string[] = ['ignore_range', 'wrong_content_range'];

export function createFaultQueue(): FaultQueue {
  const entries = new Set<{ readonly fault: Fault; taken: number }>();
  return {
    add(fault) {
      const entry = { fault, taken: 0 };
      entries.add(entry);
      return {
        get taken() {
          return entry.taken;
        },
        remove: () => {
          entries.delete(entry);
        },
      };
    },
    take(request) {
      for (const entry of entries) {
        if (!matches(entry.fault, request)) continue;
        entry.taken += 1;
        if (entry.taken >= (entry.fault.times ?? 1)) entries.delete(entry);
        return entry.fault;
      }
      return null;
    },
    get waiting() {
      return [...entries].map((entry) => entry.fault);
    },
    clear: () => entries.clear(),
  };
}

function matches(fault: Fault, request: HubRequest): boolean {
  if ((fault.server ?? 'cdn') !== request.server) return false;
  const method = fault.method ?? (BODY_FAULTS.includes(fault.kind) ? 'GET' : request.method);
  if (method !== request.method) return false;
  if (fault.path !== undefined && !request.url.includes(fault.path) && !decoded(request.url).includes(fault.path)) {
    return false;
  }
  if (RANGE_FAULTS.includes(fault.kind) && request.range === null) return false;
  return fault.kind !== 'corrupt' || covers(request.range, fault.at);
}

function covers(header: string | null, at: number): boolean {
  const range = parseRange(header, Number.MAX_SAFE_INTEGER);
  if (range === null || range === 'unsatisfiable') return true;
  return at >= range.start && at < range.end;
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url);
  } catch {
    return url;
  }
}
