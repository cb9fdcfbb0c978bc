import { type Clock, type HiveInfo, hiveRoutes, systemClock, toSeconds } from '@rbee/contract';
import {
  createLogger,
  createServer,
  fingerprint,
  jobHooks,
  listen,
  type Parent,
  type Running,
  readTls,
  SettingsError,
  serveTls,
  settingsInForce,
  type TlsIdentity,
} from '@rbee/daemon';
import { DownloadTracker } from '@rbee/download-tracker';
import { createStreamHub } from '@rbee/event-stream';
import { JobRegistry, type JobRegistryDeps } from '@rbee/jobs';
import { createDiskSpace, createLimiter, createReadPool, type Limiter, volumeOf } from '@rbee/transfer';
import { Agent } from 'undici';
import { createDoctor } from './doctor/doctor.ts';
import { restoreJobs } from './downloads/download-jobs.ts';
import { Downloads } from './downloads/downloads.ts';
import { createFetchFile } from './downloads/fetch-file.ts';
import { logDownloads } from './downloads/log-downloads.ts';
import { SingleFlight } from './downloads/single-flight.ts';
import { Slots } from './downloads/slots.ts';
import { TransferCounts } from './downloads/transfer-counts.ts';
import { announce } from './fleet/announce.ts';
import { publishHeartbeats } from './fleet/heartbeat.ts';
import type { History } from './history/history.ts';
import { openState } from './history/state.ts';
import { createHiveMetrics } from './metrics.ts';
import { createModels } from './models/models.ts';
import { addDoctorRoutes } from './routes/doctor.ts';
import { addDownloadRoutes } from './routes/downloads.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addModelRoutes } from './routes/models.ts';
import { addRepoRoutes } from './routes/repo.ts';
import { addSettingsRoutes, type LiveSettings } from './routes/settings.ts';
import { addSystemRoutes } from './routes/system.ts';
import { HIVE_PREFIX, type HiveSettings, hiveSettings } from './settings.ts';
import { createSourceDispatcher } from './sources/http/dispatcher.ts';
import { type Proxies, readProxies } from './sources/http/proxy/proxies.ts';
import { fixedToken, type HubToken, loginToken } from './sources/hugging-face/hub-token.ts';
import { sourceOf } from './sources/source.ts';
import { createSources } from './sources/sources.ts';
import { hiveAddressPath, publishAddress, withOwnerAddress } from './store/address.ts';
import { findOfflineModel } from './store/contents/offline-model.ts';
import { createLayout } from './store/layout.ts';
import { lockStore } from './store/lock.ts';
import type { Migration } from './store/migrate.ts';
import { openStore } from './store/store.ts';
import { VERSION } from './version.ts';

const MAX_RETRY_DELAY_MS = 30_000;
/** A plan waits this long for the header of a GGUF file, which is optional. */
const GGUF_HEADER_TIMEOUT_MS = 15_000;

type Logger = ReturnType<typeof createLogger>;

/**
 * Starts a hive and resolves when it listens. The only place that constructs anything that does I/O.
 * @throws SettingsError when a proxy of the environment cannot be used
 * @throws RbeeError STORE_NOT_WRITABLE when the store cannot be used, or another hive owns it
 */
export async function startHive(
  settings: HiveSettings,
  parent: Parent | null = null,
): Promise<Running<typeof hiveSettings>> {
  const tls = readTls(settings);
  const proxies = proxiesOf(process.env);
  const hive = await buildHive(settings, proxies);
  return runHive(hive, await serveHive(hive, tls), { tls, parent });
}

function proxiesOf(env: NodeJS.ProcessEnv): Proxies {
  const problems: string[] = [];
  const proxies = readProxies(env, (problem) => problems.push(problem));
  if (problems.length > 0) throw new SettingsError(problems);
  return proxies;
}

type Hive = Awaited<ReturnType<typeof buildHive>>;

/** Constructs the parts of a hive, without a server. */
async function buildHive(settings: HiveSettings, proxies: Proxies) {
  const clock = systemClock;
  const startedAtMs = clock.now();
  const startedAt = clock.elapsed();
  const hiveId = settings.id;
  const logger = createLogger({ name: 'rbee-hive', level: settings.logLevel });
  const onBug = (error: unknown, id?: string) => logger.error({ err: error, id, hiveId }, 'a bug');

  const store = await openStore(createLayout(settings.modelsDir), { clock, assertOwned: () => lock.assertHeld() });
  const addressPath = hiveAddressPath(store.layout);
  const lock = await withOwnerAddress(addressPath, () => lockStore(store.layout, startedAtMs));
  logMigration(logger, await store.migrate());
  const hub = createStreamHub();
  const tracker = new DownloadTracker({ clock });
  logDownloads(tracker, logger);
  const state = openState(settings.stateDir, { clock, logger });
  const { history } = state;
  const registry = createRegistry({ streamHub: hub, clock, hiveId, onBug, history, logger }, settings.maxOpenJobs);

  const pool = createReadPool({
    isEnabled: !settings.plainReads,
    onFallback: (err) => logger.warn({ err, hiveId }, 'pooled reads failed their self-test; using plain reads'),
  });
  const dispatcher = createSourceDispatcher({
    proxies,
    exemptOrigins: new Set([settings.hfEndpoint, settings.ollamaRegistry].map((url) => new URL(url).origin)),
    allowPrivate: settings.allowPrivateSources,
    buildConnector: pool.buildConnector,
  });
  const { headersTimeoutMs, stallTimeoutMs, heartbeatIntervalMs, maxConnections } = settings;
  const retry = {
    attempts: settings.retryAttempts,
    baseDelayMs: settings.retryBaseDelayMs,
    maxDelayMs: MAX_RETRY_DELAY_MS,
  };
  const patient = { ...retry, windowMs: settings.retryWindowMs };
  const http = { dispatcher, headersTimeoutMs, userAgent: `rbee-hive/${VERSION}` };
  const token = hubToken(settings, clock);
  const sources = createSources({
    settings,
    http,
    token,
    findOffline: (ref, treeOf) => findOfflineModel(store.layout, ref, treeOf),
  });
  const flights = new SingleFlight();
  const counts = new TransferCounts();
  const slots = new Slots(settings.maxConcurrentDownloads);
  const limiter = createLimiter(settings.maxBandwidth, clock);
  const transport = { dispatcher, pool, retry: patient, headersTimeoutMs, stallTimeoutMs };
  const fetchFile = createFetchFile({ store, flights, counts, transport });
  const room = createDiskSpace(volumeOf);
  const work = { clock, tracker, store, slots, room, flights, counts, sources, fetchFile, maxConnections };
  const run = { ...work, retry: patient, heartbeatIntervalMs, onBug };
  const downloads = new Downloads({ hiveId, clock, hub, tracker, history, limiter, run });
  const models = createModels({
    clock,
    store,
    resolve: (ref, signal) => sourceOf(sources, ref).resolve(ref, signal),
    retry,
    http,
    headerTimeoutMs: GGUF_HEADER_TIMEOUT_MS,
    heartbeatIntervalMs,
    mayWant: (place) => downloads.mayWant(place),
  });
  return {
    ...{ settings, clock, startedAt, hiveId, logger, onBug, store, lock, hub, tracker, state, history, registry },
    ...{ addressPath, dispatcher, proxies, http, token, sources, counts, slots, limiter, downloads, models },
    /** Current values: a reload or a request may have changed some. */
    inForce: { ...settings },
    access: { apiToken: settings.apiToken },
    heartbeats: hub.channel({ mode: 'state' }),
    /** Aborts when the daemon stops. */
    stopping: new AbortController(),
  };
}

/** The token of the settings, or that of the login, which may change while the hive runs. */
function hubToken({ hfToken, hfTokenPath }: HiveSettings, clock: Clock): HubToken {
  const login = loginToken(hfTokenPath, () => clock.now());
  return hfToken === null || hfToken === login.current() ? login : fixedToken(hfToken);
}

/** Creates the server with its routes and metrics; it does not listen yet. */
async function serveHive(hive: Hive, tls: TlsIdentity | null) {
  const { settings, clock, hiveId, logger, onBug, store, hub, tracker, state, registry, downloads, models } = hive;
  const { history } = state;
  const { access, counts, slots, limiter, inForce, heartbeats } = hive;
  const { signal } = hive.stopping;
  const app = await createServer({
    logger,
    hub,
    access,
    tls,
    title: 'rbee hive',
    version: VERSION,
    routes: hiveRoutes,
    jobRate: settings.jobRate,
  });
  const freeBytes = async () => (await store.freeSpace()).free_bytes;
  const metrics = createHiveMetrics({ tracker, state, registry, hub, counts, slots, limiter, freeBytes });
  metrics.serve(app, hiveRoutes.metrics);
  const live = liveSettings(limiter, slots);
  const info = async (): Promise<HiveInfo> => ({
    hive_id: hiveId,
    version: VERSION,
    uptime_secs: toSeconds(clock.elapsed() - hive.startedAt),
    models_dir: settings.modelsDir,
    ...(await store.freeSpace()),
    settings: { ...settingsInForce(hiveSettings, inForce, HIVE_PREFIX), ...live.read() },
  });
  const allowedSources = () => inForce.allowedSources;
  addSystemRoutes(app, { hub, info, heartbeats });
  addSettingsRoutes(app, live);
  addJobRoutes(app, { hub, history, registry, downloads, models, hiveId, allowedSources, hubUrl: settings.hfEndpoint });
  addModelRoutes(app, { registry, models, hiveId, signal });
  addRepoRoutes(app, {
    ...{ hiveId, store, allowedSources, signal, hub: hive.sources.hf, hubUrl: settings.hfEndpoint },
    resolve: (ref, limit) => sourceOf(hive.sources, ref).resolve(ref, limit),
  });
  const hubAccess = { ...hive.http, endpoint: settings.hfEndpoint, token: hive.token };
  const doctorDeps = { hiveId, clock, hub: hubAccess, isOffline: settings.hfHubOffline, proxies: hive.proxies, store };
  addDoctorRoutes(app, createDoctor({ ...doctorDeps, signal, onBug }));
  addDownloadRoutes(app, { hub, history, registry, downloads, hiveId, allowedSources });

  const apply = (changed: Partial<HiveSettings>) => {
    Object.assign(inForce, changed);
    if (changed.apiToken !== undefined) access.apiToken = changed.apiToken;
    if (changed.logLevel !== undefined) logger.level = changed.logLevel;
    live.change({ max_bandwidth: changed.maxBandwidth, max_concurrent_downloads: changed.maxConcurrentDownloads });
  };
  return { app, metrics, apply };
}

/** Listens, resumes the work of the previous run and registers with the queen. Closing undoes it in reverse order. */
async function runHive(
  hive: Hive,
  { app, metrics, apply }: Awaited<ReturnType<typeof serveHive>>,
  { tls, parent }: { tls: TlsIdentity | null; parent: Parent | null },
): Promise<Running<typeof hiveSettings>> {
  const { settings, clock, hiveId, logger, onBug, store, lock, tracker, history, registry, dispatcher, stopping } =
    hive;
  const queenDispatcher = new Agent({ allowH2: false });
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
    const url = await listen(app, settings);
    closing.push(
      () => app.close(),
      () => registry.shutdown(),
      () => stopping.abort(new Error('the daemon is stopping')),
    );
    if (parent?.isBystander) hive.slots.hold();
    restoreJobs(hive, history.jobs());
    const hiveUrl = settings.advertisedUrl ?? url;
    const address = { hive_id: hiveId, hive_url: url, queen_url: settings.queenUrl };
    closing.push(await publishAddress({ path: hive.addressPath, parent, log: logger }, address));
    const maxBandwidth = () => hive.limiter.bytesPerSecond;
    closing.push(
      publishHeartbeats(
        { channel: hive.heartbeats, clock, tracker, maxBandwidth, freeSpace: () => store.freeSpace(), onBug },
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

interface RegistryDeps extends Pick<JobRegistryDeps, 'streamHub' | 'clock' | 'onBug'> {
  readonly hiveId: string;
  readonly history: History;
  readonly logger: Logger;
}

function createRegistry(
  { streamHub, clock, hiveId, onBug, history, logger }: RegistryDeps,
  maxOpen: number,
): JobRegistry {
  return new JobRegistry(
    {
      streamHub,
      clock,
      actor: hiveId,
      onBug,
      ...jobHooks(logger, history),
    },
    { maxOpen },
  );
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

function logMigration(logger: Logger, { moved, linked, left }: Migration): void {
  if (moved > 0) logger.info({ moved }, 'what was beside the models folder has been moved into it');
  for (const path of linked)
    logger.warn({ path }, 'this folder is on another disk: it stays there, with a link in the store');
  for (const { path, reason } of left) logger.warn({ path, reason }, 'this could not be moved into the models folder');
}

function logSecrets(logger: Logger, settings: HiveSettings): void {
  const { hfToken, apiToken } = settings;
  if (hfToken !== null) logger.info({ hfToken: fingerprint(hfToken) }, 'a token for the hub is set');
  if (apiToken !== null) logger.info({ apiToken: fingerprint(apiToken) }, 'clients must send a token');
}
