// A hive of which only the streams are real: it knows its downloads and says what it is told to, at a pace.
import { hiveRoutes, newDownloadId, newJobId, toTimestamp } from '@rbee/contract';
import { createResponseSink, createStreamHub, SSE_HEADERS } from '@rbee/event-stream';
import { listen } from './servers/serve-bench.ts';
import { stampField } from './stamp.ts';

export interface HiveHello {
  readonly port: number;
  readonly ids: readonly string[];
}

/** Asks for so many events of each download. The answer comes when they are out. */
export interface HiveQuestion {
  readonly events: number;
  readonly perSecond: number;
}

export interface HiveReport {
  /** Requests for streams of downloads since the start. */
  readonly upstreams: number;
}

const hiveId = 'bench';
const msPerSecond = 1_000;
/** The golden ratio spreads downloads over the time between two events, as they are where nobody keeps step. */
const goldenRatio = 0.618_033_988_749_895;
const totalBytes = 4_000_000_000;

const hub = createStreamHub();
const heartbeats = hub.channel({ mode: 'state' });
const startedAt = toTimestamp(Date.now());
const downloads = Array.from({ length: Number(process.argv[2]) }, () => ({
  id: newDownloadId(),
  jobId: newJobId(),
  channel: hub.channel({ mode: 'state' }),
}));
type Download = (typeof downloads)[number];
let upstreams = 0;

const progressOf = ({ id, jobId }: Download) => ({
  download_id: id,
  job_id: jobId,
  hive_id: hiveId,
  model_ref: 'hf:bench/model::file=model.gguf',
  ...{ status: 'downloading', bytes: 1_000_000_000, total: totalBytes, percent: 25, speed_bps: 100_000_000 },
  ...{ eta_secs: 30, elapsed_secs: 10, files_done: 0, files_total: 1, attempt: 1, connections: 8 },
  ...{ bytes_reused: 0, bytes_wasted: 0 },
});

const snapshotOf = (download: Download) => ({
  ...progressOf(download),
  ...{ file: 'model.gguf', created_at: startedAt, started_at: startedAt, ended_at: null, path: null, sha256: null },
  ...{ partial: null, error: null, priority: 0, max_bandwidth: null, retry_of: null },
});

function publish(download: Download): void {
  const json = JSON.stringify(progressOf(download));
  download.channel.publish({ event: 'progress', data: `${json.slice(0, -1)},${stampField()}}` }, 'state');
}

async function run({ events, perSecond }: HiveQuestion): Promise<void> {
  const everyMs = msPerSecond / perSecond;
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = downloads.length * events;
  for (const [index, download] of downloads.entries()) {
    for (let event = 0; event < events; event += 1) {
      setTimeout(
        () => {
          publish(download);
          left -= 1;
          if (left === 0) resolve();
        },
        (event + ((index * goldenRatio) % 1)) * everyMs,
      );
    }
  }
  await promise;
}

const port = await listen((request, response) => {
  const url = new URL(request.url ?? '/', 'http://hive');
  const json = (body: object): void => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  };
  const open = (channel: Download['channel']): void => {
    response.writeHead(200, SSE_HEADERS);
    channel.attach(createResponseSink(response), request.headers['last-event-id']?.toString() ?? null);
  };
  if (url.pathname === hiveRoutes.heartbeats.path) return open(heartbeats);
  if (url.pathname === '/v2/downloads') return json({ downloads: downloads.map(snapshotOf), next_cursor: null });
  const download = downloads.find(({ id }) => url.pathname.split('/').includes(id));
  if (download === undefined) return void response.writeHead(404).end();
  if (!url.pathname.endsWith('/stream')) return json(snapshotOf(download));
  upstreams += 1;
  open(download.channel);
});

function beat(): void {
  const counts = { queued: 0, starting: 0, verifying: 0, paused: 0, complete: 0, failed: 0, cancelled: 0 };
  const data = {
    ...{ hive_id: hiveId, hive_url: `http://127.0.0.1:${port}`, version: '0.1.0', at: toTimestamp(Date.now()) },
    ...{ downloads: { ...counts, downloading: downloads.length }, speed_bps: 0, free_bytes: totalBytes },
  };
  heartbeats.publish({ event: 'heartbeat', data: JSON.stringify(data) }, 'state');
}

beat();
setInterval(beat, msPerSecond);
process.on('message', (question: HiveQuestion) => {
  void run(question).then(() => process.send?.({ upstreams } satisfies HiveReport));
});
process.on('disconnect', () => process.exit());
process.send?.({ port, ids: downloads.map(({ id }) => id) } satisfies HiveHello);
