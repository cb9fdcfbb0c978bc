import { join } from 'node:path';
import { type HiveInfo, hiveRoutes, systemClock, toSeconds } from '@rbee/contract';
import {
  createJobLog,
  createLogger,
  createServer,
  fingerprint,
  openStateDb,
  type Running,
  readTls,
  serveTls,
  settingsInForce,
  withLogFields,
} from '@rbee/daemon';
import { DownloadTracker } from '@rbee/download-tracker';
import { createStreamHub } from '@rbee/event-stream';
import { JobRegistry } from '@rbee/jobs';
import { createDiskRoom, createLimiter, createReadPool, type Limiter, volumeOf } from '@rbee/transfer';
import { Agent } from 'undici';
import { createDoctor } from './doctor/doctor.ts';
import { resumeAll, startDownload } from './downloads/download-jobs.ts';
import { Downloads } from './downloads/downloads.ts';
import { createFetchFile } from './downloads/fetch-file.ts';
import { logDownloads } from './downloads/log-downloads.ts';
import { runDownload } from './downloads/run-download.ts';
import { BlobFlights } from './downloads/single-flight.ts';
import { Slots } from './downloads/slots.ts';
import { TransferCounts } from './downloads/transfer-counts.ts';
import { announce } from './fleet/announce.ts';
import { beatEachSecond } from './fleet/heartbeat.ts';
import { createHistory, HISTORY_MIGRATIONS } from './history/history.ts';
import { createHiveMetrics } from './metrics.ts';
import { createModels } from './models/models.ts';
import { addDoctorRoutes } from './routes/doctor.ts';
import { addDownloadRoutes } from './routes/downloads.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addModelRoutes } from './routes/models.ts';
import { addSettingsRoutes, type LiveSettings } from './routes/settings.ts';
import { addSystemRoutes } from './routes/system.ts';
import { HIVE_PREFIX, type HiveSettings, hiveSettings } from './settings.ts';
import { createSourceDispatcher } from './sources/http/dispatcher.ts';
import type { Asking } from './sources/http/request.ts';
import { createHuggingFace } from './sources/hugging-face/hugging-face.ts';
import { createLocalFiles } from './sources/local/local-file.ts';
import { createOllama } from './sources/ollama/ollama.ts';
import { type Sources, sourceOf } from './sources/source.ts';
import { createWebSource } from './sources/web/web.ts';
import { createLayout, type Layout } from './store/layout.ts';
import { lockStore } from './store/lock.ts';
import { openStore } from './store/store.ts';
import { VERSION } from './version.ts';

const MAX_RETRY_DELAY_MS = 30_000;
/** Reading the header of a GGUF file is a courtesy of a plan, which waits no longer for it. */
const GGUF_HEADER_TIMEOUT_MS = 15_000;

/**
 * A hive that listens: the one place that constructs what does I/O.
 * @throws RbeeError STORE_NOT_WRITABLE when the store cannot be used, or another hive owns it
 */
export async function startHive(settings: HiveSettings): Promise<Running<typeof hiveSettings>> {
  const clock = systemClock;
  const startedAtMs = clock.now();
  const tls = readTls(settings);
  const hiveId = settings.id;
  const logger = createLogger({ name: 'rbee-hive', level: settings.logLevel });
  const onBug = (error: unknown, id?: string) => logger.error({ err: error, id, hiveId }, 'a bug');

  const layout = createLayout(settings.modelsDir);
  const store = await openStore(layout, { clock });
  const lock = await lockStore(layout.lockFile());

  const hub = createStreamHub();
  const tracker = new DownloadTracker({ clock });
  logDownloads(tracker, logger);
  const history = openHistory(settings.stateDir, logger);
  const logJob = createJobLog(logger);
  const registry = new JobRegistry(
    {
      hub,
      clock,
      actor: hiveId,
      onBug,
      onChange: (job) => {
        history.keepJob(job.snapshot());
        logJob(job);
      },
      onForget: (id) => history.forgetJob(id),
      within: (job, work) => withLogFields({ jobId: job.id }, work),
    },
    { maxOpen: settings.maxOpenJobs },
  );
  const exemptOrigins = new Set([settings.hfEndpoint, settings.ollamaRegistry].map((url) => new URL(url).origin));
  const pool = createReadPool();
  const dispatcher = createSourceDispatcher({
    exemptOrigins,
    allowPrivate: settings.allowPrivateSources,
    reads: pool.reads,
  });
  const queenDispatcher = new Agent({ allowH2: false });

  const { retryAttempts: attempts, retryBaseDelayMs: baseDelayMs } = settings;
  const { headersTimeoutMs, stallTimeoutMs, heartbeatIntervalMs, maxConnections } = settings;
  const retry = { attempts, baseDelayMs, maxDelayMs: MAX_RETRY_DELAY_MS };
  const asking = { dispatcher, headersTimeoutMs, userAgent: `rbee-hive/${VERSION}` };
  const sources = createSources(settings, asking, layout);
  const flights = new BlobFlights();
  const counts = new TransferCounts();
  const fetchFile = createFetchFile({
    store,
    flights,
    counts,
    dispatcher,
    pool,
    retry,
    headersTimeoutMs,
    stallTimeoutMs,
  });
  const slots = new Slots(settings.maxConcurrentDownloads);
  const limiter = createLimiter(settings.maxBandwidth, clock);
  const runDeps = {
    clock,
    tracker,
    store,
    slots,
    room: createDiskRoom(volumeOf),
    flights,
    counts,
    sources,
    fetchFile,
    maxConnections,
    retry,
    heartbeatIntervalMs,
    onBug,
  };
  const downloads = new Downloads({
    hiveId,
    clock,
    hub,
    tracker,
    history,
    limiter,
    run: (download, request) =>
      withLogFields({ downloadId: download.id, jobId: tracker.get(download.id).job_id }, () =>
        runDownload(runDeps, download, request),
      ),
  });

  const models = createModels({
    clock,
    store,
    resolve: (ref, signal) => sourceOf(sources, ref).resolve(ref, signal),
    retry,
    asking,
    headerTimeoutMs: GGUF_HEADER_TIMEOUT_MS,
    heartbeatIntervalMs,
    mayWant: (place) => downloads.mayWant(place),
  });

  const live = liveSettings(limiter, slots);
  const inForce = { ...settings };
  const info = async (): Promise<HiveInfo> => ({
    hive_id: hiveId,
    version: VERSION,
    uptime_secs: toSeconds(clock.now() - startedAtMs),
    models_dir: settings.modelsDir,
    ...(await store.freeRoom()),
    settings: { ...settingsInForce(hiveSettings, inForce, HIVE_PREFIX), ...live.read() },
  });
  const heartbeats = hub.channel({ mode: 'state' });
  const access = { apiToken: settings.apiToken };
  const { jobRate } = settings;
  const app = await createServer({
    logger,
    hub,
    access,
    tls,
    title: 'rbee hive',
    version: VERSION,
    routes: hiveRoutes,
    jobRate,
  });
  const freeBytes = async () => (await store.freeRoom()).free_bytes;
  const metrics = createHiveMetrics({ tracker, registry, hub, counts, slots, limiter, freeBytes });
  metrics.serve(app, hiveRoutes.metrics);
  addSystemRoutes(app, { hub, info, heartbeats });
  addSettingsRoutes(app, live);
  const allowedSources = () => inForce.allowedSources;
  addJobRoutes(app, { hub, registry, downloads, models, hiveId, allowedSources });
  const stopping = new AbortController();
  addModelRoutes(app, { registry, models, hiveId, signal: stopping.signal });
  const hubAccess = { ...asking, endpoint: settings.hfEndpoint, token: settings.hfToken };
  const doctorDeps = { hiveId, clock, hub: hubAccess, isOffline: settings.hfHubOffline, env: process.env, store };
  addDoctorRoutes(app, createDoctor({ ...doctorDeps, signal: stopping.signal, onBug }));
  const jobDeps = { registry, downloads, hiveId };
  addDownloadRoutes(app, {
    hub,
    downloads,
    startDownload: (request) => startDownload(jobDeps, request),
    allowedSources,
  });

  const apply = (changed: Partial<HiveSettings>) => {
    Object.assign(inForce, changed);
    if (changed.apiToken !== undefined) access.apiToken = changed.apiToken;
    if (changed.logLevel !== undefined) logger.level = changed.logLevel;
    live.change({ max_bandwidth: changed.maxBandwidth, max_concurrent_downloads: changed.maxConcurrentDownloads });
  };
  const closing: (() => unknown)[] = [() => lock.release(), () => history.close(), () => metrics.close()];
  const close = async () => {
    for (const step of closing.toReversed()) await step();
  };
  try {
    closing.push(
      () => dispatcher.destroy(),
      () => queenDispatcher.destroy(),
      () => tracker.close(),
    );
    const url = await app.listen({ host: settings.host, port: settings.port });
    closing.push(
      () => app.close(),
      () => registry.shutdown(),
      () => stopping.abort(new Error('the daemon is stopping')),
    );
    resumeAll(jobDeps, history.jobs());
    const hiveUrl = settings.advertisedUrl ?? url;
    closing.push(
      beatEachSecond(
        { channel: heartbeats, clock, tracker, freeRoom: () => store.freeRoom(), onBug },
        { hive_id: hiveId, hive_url: hiveUrl, version: VERSION },
      ),
    );
    if (settings.queenUrl !== null) {
      const { queenUrl, queenToken: token } = settings;
      const ready = { hive_id: hiveId, hive_url: hiveUrl };
      closing.push(announce({ queenUrl, token, dispatcher: queenDispatcher, clock, log: logger }, ready));
    }
    logSecrets(logger, settings);
    return { url, logger, tls: serveTls(app, tls), apply, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function createSources(settings: HiveSettings, asking: Asking, layout: Layout): Sources {
  const { hfEndpoint: endpoint, hfToken: token, hfHubOffline: isOffline, ollamaRegistry: registry } = settings;
  const web = createWebSource(asking);
  return {
    hf: createHuggingFace({ ...asking, endpoint, token, isOffline, stored: layout }),
    https: web,
    http: web,
    ollama: createOllama({ ...asking, registry }),
    file: createLocalFiles(),
  };
}

function liveSettings(limiter: Limiter, slots: Slots): LiveSettings {
  return {
    read: () => ({ max_bandwidth: limiter.bytesPerSecond, max_concurrent_downloads: slots.count }),
    change({ max_bandwidth, max_concurrent_downloads }) {
      if (max_bandwidth !== undefined) limiter.set(max_bandwidth);
      if (max_concurrent_downloads !== undefined) slots.resize(max_concurrent_downloads);
    },
  };
}

function openHistory(folder: string, logger: ReturnType<typeof createLogger>) {
  const onDamage = (movedTo: string, error: unknown) =>
    logger.error({ err: error, movedTo }, 'the history was damaged; it was put aside and a new one begun');
  return createHistory(openStateDb(join(folder, 'hive.sqlite'), { migrations: HISTORY_MIGRATIONS, onDamage }));
}

function logSecrets(logger: ReturnType<typeof createLogger>, settings: HiveSettings): void {
  const { hfToken, apiToken } = settings;
  if (hfToken !== null) logger.info({ hfToken: fingerprint(hfToken) }, 'a token for the hub is set');
  if (apiToken !== null) logger.info({ apiToken: fingerprint(apiToken) }, 'clients must send a token');
}
