import { hubPaths } from '@rbee/hub-protocol';
import { createWatch, type WaitOptions } from '../watch.ts';
import type { TokenOwner } from './access.ts';
import { routeCdn } from './cdn-routes.ts';
import { createFaultQueue, type Fault, type FaultHandle, type FaultQueue } from './fault.ts';
import { type HubRouteState, routeHub } from './hub-routes.ts';
import { createRecorder, type Recorder } from './record.ts';
import type { FileSource, RepoFile, RepoSpec, StoredFile } from './repo.ts';
import { type AddedRepo, createRepoStore } from './repo-store.ts';
import type { HubRequest, ServerName } from './request.ts';
import { type FaultyServer, type FaultyServerOptions, startFaultyServer } from './server.ts';
import { type HubShape, TODAY } from './shape.ts';
import { createUrlSigner } from './signed-url.ts';
import { createThrottle } from './throttle.ts';

export interface HubOptions {
  /** Valid tokens and their owners. */
  readonly tokens?: Readonly<Record<string, TokenOwner>>;
  /** The most entries on one page of a tree listing; default 1000. */
  readonly treePageSize?: number;
  /** How long a signed URL is valid, in whole seconds; default an hour. */
  readonly signedUrlMs?: number;
  /** The initial throttle; default none. */
  readonly bytesPerSecond?: number | null;
  /** Where it answers otherwise than huggingface.co does today. */
  readonly shape?: Partial<HubShape>;
  /** Port of the hub's origin; default a free one. */
  readonly port?: number;
  /**
   * Puts something in front of the CDN: called with the CDN's origin before the hub starts, returns the origin that clients are
   * redirected to instead.
   */
  readonly cdnFront?: (cdnUrl: string) => Promise<string>;
  /** Milliseconds since the epoch, for the expiry of signed URLs. */
  readonly now?: () => number;
}

export interface TestHub {
  /** Origin of the hub: what `HF_ENDPOINT` is set to, where its shape has no prefix. */
  readonly url: string;
  /** Origin of the CDN itself, whatever is in front of it. */
  readonly cdnUrl: string;
  addRepo(repo: RepoSpec): AddedRepo;
  /** Puts a new commit with exactly these files on `main`. */
  pushCommit(id: string, files: Readonly<Record<string, FileSource>>): AddedRepo;
  /** Serves other bytes at the same URLs and commits, including signed URLs already issued. */
  setFile(id: string, path: string, source: FileSource): RepoFile;
  resolveUrl(id: string, path: string, revision?: string): string;
  /** A signed URL of an LFS file, like the one in the redirect. */
  signedUrl(id: string, path: string): string;
  /** All requests that reached a server, oldest first; live. */
  readonly requests: readonly HubRequest[];
  clearRequests(): void;
  /** Open connections, including idle ones in a client's pool. */
  openSockets(server: ServerName): number;
  /** Requests whose response is not over. */
  inFlight(server: ServerName): number;
  /** Checks the condition whenever something happens on the hub; rejects with the state after 30 s or `timeoutMs`. */
  waitFor(condition: () => boolean, what: string, options?: WaitOptions): Promise<void>;
  /** Queues a fault for the next matching requests. */
  fault(fault: Fault): FaultHandle;
  clearFaults(): void;
  /** Bytes per second of each CDN connection, from now on; null is unlimited, 0 stops every body. */
  throttle(bytesPerSecond: number | null): void;
  /** Rejects every signed URL issued so far. */
  expireSignedUrls(): void;
  /** The network goes away: connections are reset and new ones refused, at these servers or, if none is named, at both. */
  pause(...servers: readonly ('hub' | 'cdn')[]): Promise<void>;
  /** It comes back, at the same ports. */
  resume(): Promise<void>;
  close(): Promise<void>;
}

const defaultTreePageSize = 1000;
const defaultSignedUrlMs = 3_600_000;

/** A Hugging Face hub on loopback: two servers, the first of which redirects to the second. */
export async function startHub(options: HubOptions = {}): Promise<TestHub> {
  const shape: HubShape = { ...TODAY, ...options.shape };
  const repos = createRepoStore(shape.xet);
  const now = options.now ?? Date.now;
  const signer = createUrlSigner();
  const recorder = createRecorder();
  const faults = createFaultQueue();
  const servers = new Map<ServerName, FaultyServer>();
  const watch = createWatch(() => describe(recorder, faults, servers));
  const throttle = createThrottle(options.bytesPerSecond ?? null);
  const shared = { recorder, faults, poke: watch.poke, expireSignedUrls: signer.expireAll };

  const lifeMs = options.signedUrlMs ?? defaultSignedUrlMs;
  const signedPath = (file: StoredFile): string =>
    signer.sign(file.cdnPath, file.path.split('/').at(-1) ?? file.path, now() + lifeMs);
  const { hub, cdn } = await startPair(
    {
      ...shared,
      name: 'cdn',
      port: 0,
      throttle,
      route: (request, url) => routeCdn(request, url, { repos, signer, shape, now }),
    },
    async (cdnUrl) => {
      const frontUrl = (await options.cdnFront?.(cdnUrl)) ?? cdnUrl;
      const state: HubRouteState = {
        repos,
        tokens: new Map(Object.entries(options.tokens ?? {})),
        treePageSize: options.treePageSize ?? defaultTreePageSize,
        shape,
        cdnUrl,
        signedUrl: (file) => frontUrl + signedPath(file),
      };
      return {
        ...shared,
        name: 'hub',
        port: options.port ?? 0,
        throttle: createThrottle(null),
        route: (request, url, body) => routeHub(request, url, state, body),
      };
    },
  );
  servers.set('hub', hub).set('cdn', cdn);

  return {
    url: hub.url,
    cdnUrl: cdn.url,
    addRepo: repos.add,
    pushCommit: repos.pushCommit,
    setFile: repos.setFile,
    resolveUrl: (id, path, revision = 'main') => hub.url + shape.prefix + hubPaths.resolve(id, revision, path),
    signedUrl: (id, path) => cdn.url + signedPath(repos.fileOf(id, path)),
    requests: recorder.requests,
    clearRequests: recorder.clear,
    openSockets: (server) => servers.get(server)?.openSockets ?? 0,
    inFlight: recorder.inFlight,
    waitFor: watch.waitFor,
    fault: faults.add,
    clearFaults: faults.clear,
    throttle(bytesPerSecond) {
      throttle.rate = bytesPerSecond;
    },
    expireSignedUrls: signer.expireAll,
    async pause(...names) {
      const chosen = names.length === 0 ? [hub, cdn] : names.map((name) => (name === 'hub' ? hub : cdn));
      await Promise.all(chosen.map((server) => server.pause()));
    },
    async resume() {
      await Promise.all([hub.resume(), cdn.resume()]);
    },
    async close() {
      await Promise.all([hub.close(), cdn.close()]);
      watch.end('the hub was closed');
    },
  };
}

/** Starts both servers or neither. */
async function startPair(
  cdnOptions: FaultyServerOptions,
  hubOptions: (cdnUrl: string) => Promise<FaultyServerOptions>,
): Promise<{ hub: FaultyServer; cdn: FaultyServer }> {
  const cdn = await startFaultyServer(cdnOptions);
  try {
    return { cdn, hub: await startFaultyServer(await hubOptions(cdn.url)) };
  } catch (error) {
    await cdn.close();
    throw error;
  }
}

function describe(recorder: Recorder, faults: FaultQueue, servers: ReadonlyMap<ServerName, FaultyServer>): string {
  const sockets = [...servers].map(([name, server]) => `${name} ${server.openSockets}`).join(', ');
  const waiting = faults.waiting.map((fault) => JSON.stringify(fault)).join(' ');
  return `open sockets: ${sockets}\nwaiting faults: ${waiting || 'none'}\nnewest requests:\n${recorder.describe() || '  none'}`;
}
