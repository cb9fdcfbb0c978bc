import { createFaultQueue, type Fault, type FaultHandle } from '../hub/fault.ts';
import { createRecorder } from '../hub/record.ts';
import type { Reply } from '../hub/reply.ts';
import type { HubRequest, ServerName } from '../hub/request.ts';
import { type FaultyServer, startFaultyServer } from '../hub/server.ts';
import { createThrottle } from '../hub/throttle.ts';
import { createWatch, type WaitOptions } from '../watch.ts';

/** The controls of every fake server on loopback. */
export interface Site {
  /** Its origin. */
  readonly url: string;
  /** All requests that reached it, oldest first; live. */
  readonly requests: readonly HubRequest[];
  clearRequests(): void;
  /** Open connections, including idle ones in a client's pool. */
  readonly openSockets: number;
  /** Requests whose response is not over. */
  readonly inFlight: number;
  /** Checks the condition whenever something happens here; rejects with the state after 30 s or `timeoutMs`. */
  waitFor(condition: () => boolean, what: string, options?: WaitOptions): Promise<void>;
  /** Queues a fault for the next matching requests. */
  fault(fault: Fault): FaultHandle;
  clearFaults(): void;
  /** Bytes per second of each connection; null is unlimited, 0 stops every body. */
  throttle(bytesPerSecond: number | null): void;
  close(): Promise<void>;
}

/** A server that sends the replies of `route`. */
export async function startSite(name: ServerName, route: (request: HubRequest, url: URL) => Reply): Promise<Site> {
  const recorder = createRecorder();
  const faults = createFaultQueue();
  const throttle = createThrottle(null);
  let server: FaultyServer | null = null;
  const watch = createWatch(
    () => `open sockets: ${server?.openSockets}\nnewest requests:\n${recorder.describe() || '  none'}`,
  );
  const running = await startFaultyServer({
    name,
    port: 0,
    recorder,
    faults,
    throttle,
    route,
    expireSignedUrls: () => undefined,
    poke: watch.poke,
  });
  server = running;
  return {
    url: running.url,
    requests: recorder.requests,
    clearRequests: recorder.clear,
    get openSockets() {
      return running.openSockets;
    },
    get inFlight() {
      return recorder.inFlight(name);
    },
    waitFor: watch.waitFor,
    fault: (fault) => faults.add({ ...fault, server: name }),
    clearFaults: faults.clear,
    throttle(bytesPerSecond) {
      throttle.rate = bytesPerSecond;
    },
    async close() {
      await running.close();
      watch.end('the server was closed');
    },
  };
}
