import type { HubRequest, RequestEntry, ServerName } from './request.ts';

/** Beyond it the oldest are dropped. */
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
