import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CancelledJob, type FleetDoctor, type Hive, newJobId, RbeeError } from '@rbee/contract';
import { type Channel, createStreamHub } from '@rbee/event-stream';
import { createWatch, type Watch } from '@rbee/testing';
import type { ModelListing } from '../../src/results.ts';
import { createFakeJob, type FakeDownload, type FakeJob, type Request } from './fake-job.ts';
import { answer, refuse, reply } from './fake-routes.ts';

/** An error of the contract, any other response, or none. */
type Refusal = { readonly status: number; readonly body: unknown } | RbeeError | 'silence';

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

export interface FakeQueen {
  readonly url: string;
  readonly token: string | null;
  readonly requests: readonly Request[];
  /** In the order of their requests. */
  readonly jobs: readonly FakeJob[];
  readonly hives: Hive[];
  /** The contents of the stores. */
  readonly stores: Mutable<ModelListing>;
  /** The checks of the hives. */
  doctor: FleetDoctor;
  /** The stream of all downloads. */
  readonly fleet: Channel;
  /** Ids of downloads that are no longer in the history. */
  readonly cleared: Set<string>;
  /** Runs when a job is accepted; does nothing by default. */
  onJob: (job: FakeJob) => void;
  /** The response to a DELETE; by default it cancels the job's downloads and ends the job. */
  onCancel: (job: FakeJob) => CancelledJob;
  /** Replaces the response to a request, except to `/health`; null keeps it. */
  refuses: (request: Request) => Refusal | null;
  /** A job with one download, as if started by another client. */
  addJob(model: string): { job: FakeJob; download: FakeDownload };
  startJob(request: Request): FakeJob;
  waitFor: Watch['waitFor'];
  waitForRequest(method: string, path: RegExp): Promise<Request>;
  /** Waits for the job at that index. */
  waitForJob(index: number): Promise<{ job: FakeJob; download: FakeDownload }>;
  /** Cuts every connection and stops listening until `listen`. */
  hangUp(): Promise<void>;
  listen(): Promise<void>;
  close(): Promise<void>;
}

/** A queen on loopback with real sockets and streams, controlled by the test. */
export async function startFakeQueen(options: { readonly token?: string } = {}): Promise<FakeQueen> {
  const hub = createStreamHub();
  const fleet = hub.channel({ mode: 'log' });
  const requests: Request[] = [];
  const jobs = new Map<string, FakeJob>();
  const watch = createWatch(() => requests.map(({ method, path }) => `${method} ${path}`).join('\n'));
  let port = 0;

  const server = createServer(async (incoming, response) => {
    const request = await readRequest(incoming);
    requests.push(request);
    try {
      if (request.path === '/health') reply(response, 200, { status: 'ok' });
      else {
        const refusal = queen.refuses(request);
        if (refusal === null) answer(queen, request, response);
        else if (refusal instanceof RbeeError) refuse(response, refusal);
        else if (refusal !== 'silence') reply(response, refusal.status, refusal.body);
      }
    } catch (error) {
      if (!(error instanceof RbeeError)) throw error;
      refuse(response, error);
    } finally {
      watch.poke();
    }
  });

  const queen: FakeQueen = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    token: options.token ?? null,
    requests,
    get jobs() {
      return [...jobs.values()];
    },
    hives: [hiveNamed('gpu-1')],
    stores: { models: [], partials: [], problems: [] },
    doctor: { hives: [{ hive_id: 'gpu-1', online: true, checks: [] }] },
    fleet,
    cleared: new Set(),
    onJob: () => {},
    onCancel: cancelled,
    refuses: () => null,
    startJob(request) {
      const id = typeof request.body.job_id === 'string' ? request.body.job_id : newJobId();
      const job = createFakeJob({ hub, fleet }, id, request, hivesOf(request.body.hive_id, queen.hives));
      jobs.set(id, job);
      return job;
    },
    addJob(model) {
      const body = { operation: 'model_download', model };
      return withDownload(queen.startJob({ method: 'POST', path: '/v1/jobs', query: {}, headers: {}, body }));
    },
    waitFor: watch.waitFor,
    async waitForRequest(method, path) {
      const find = () => requests.find((request) => request.method === method && path.test(request.path));
      await watch.waitFor(() => find() !== undefined, `${method} ${path}`);
      return find() ?? fail('the request is gone');
    },
    async waitForJob(index) {
      await watch.waitFor(() => jobs.size > index, `job ${index}`);
      return withDownload(queen.jobs[index] ?? fail('the job is gone'));
    },
    hangUp: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    listen: () =>
      new Promise((resolve) => {
        server.listen(port, '127.0.0.1', () => {
          port = (server.address() as AddressInfo).port;
          resolve();
        });
      }),
    async close() {
      await hub.close();
      if (server.listening) await queen.hangUp();
    },
  };
  await queen.listen();
  return queen;
}

export function hiveNamed(name: string, changes: Partial<Hive> = {}): Hive {
  return {
    hive_id: name,
    hive_url: 'http://127.0.0.1:7835',
    online: true,
    last_seen_at: new Date().toISOString(),
    version: '0.1.0',
    active_downloads: 0,
    speed_bps: 0,
    downloads: null,
    free_bytes: 5e11,
    max_bandwidth: null,
    max_concurrent_downloads: null,
    problem: null,
    ...changes,
  };
}

function cancelled(job: FakeJob): CancelledJob {
  for (const download of job.downloads) download.cancel();
  job.end({ state: 'cancelled' });
  const downloads = job.downloads.map(({ hive, snapshot }) => ({
    download_id: snapshot.download_id,
    hive_id: hive,
    state: 'stopped' as const,
    partial: 'kept' as const,
    bytes: snapshot.bytes,
  }));
  return { job_id: job.snapshot.job_id, status: 'cancelled', downloads };
}

function hivesOf(wanted: unknown, known: readonly Hive[]): string[] {
  if (wanted === '*') return known.map((hive) => hive.hive_id);
  return (Array.isArray(wanted) ? wanted : [wanted ?? 'gpu-1']).map(String);
}

function withDownload(job: FakeJob): { job: FakeJob; download: FakeDownload } {
  return { job, download: job.downloads[0] ?? fail('the job has no download') };
}

function fail(message: string): never {
  throw new Error(message);
}

async function readRequest(incoming: IncomingMessage): Promise<Request> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const url = new URL(incoming.url ?? '/', 'http://queen');
  const text = Buffer.concat(chunks).toString();
  return {
    method: incoming.method ?? '',
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: incoming.headers,
    body: text === '' ? {} : JSON.parse(text),
  };
}
