import type { IncomingHttpHeaders } from 'node:http';
import type { FaultAction } from './fault.ts';

export type ServerName = 'hub' | 'cdn' | 'web' | 'registry';

/** One request that reached a server, as it stands now. */
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
  /** The response is over: all sent, or the connection gone. */
  readonly ended: boolean;
  /** The client left before the whole response was sent. */
  readonly aborted: boolean;
  /** The fault that took it. */
  readonly fault: FaultAction['kind'] | null;
}

export type RequestEntry = { -readonly [K in keyof HubRequest]: HubRequest[K] };

/** The oldest are dropped beyond it. */
const maxRequests = 50_000;
const shownRequests = 20;
const shownUrlChars = 160;

export interface Recorder {
  readonly requests: readonly HubRequest[];
  add(entry: RequestEntry): void;
  clear(): void;
  inFlight(server: ServerName): number;
  /** The newest requests, one a line. */
  describe(): string;
}

export function createRecorder(): Recorder {
  const requests: RequestEntry[] = [];
  return {
    requests,
    add(entry) {
      requests.push(entry);
      if (requests.length > maxRequests) requests.shift();
    },
    clear() {
      requests.length = 0;
    },
    inFlight: (server) => requests.filter((request) => request.server === server && !request.ended).length,
    describe: () => requests.slice(-shownRequests).map(describeRequest).join('\n'),
  };
}

function describeRequest(request: HubRequest): string {
  const marks = [
    `status ${request.status ?? 'none yet'}`,
    `${request.bytesSent} bytes`,
    ...(request.range === null ? [] : [`range ${request.range}`]),
    ...(request.fault === null ? [] : [`fault ${request.fault}`]),
    ...(request.ended ? [] : ['in flight']),
    ...(request.aborted ? ['client left'] : []),
  ];
  return `  ${request.server} ${request.method} ${request.url.slice(0, shownUrlChars)}: ${marks.join(', ')}`;
}
