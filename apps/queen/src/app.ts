import { join } from 'node:path';
import { type Hive, type HiveHeartbeat, type QueenInfo, queenRoutes, systemClock, toSeconds } from '@rbee/contract';
import {
  createJobLog,
  createLogger,
  createServer,
  fingerprint,
  type Logger,
  openStateDb,
  type Running,
  readTls,
  serveTls,
  settingsInForce,
  withLogFields,
} from '@rbee/daemon';
import { createStreamHub, type KeyedStream } from '@rbee/event-stream';
import { JobRegistry } from '@rbee/jobs';
import { Agent } from 'undici';
import { createHiveClient } from './hives/client.ts';
import { followHive, type HiveStream } from './hives/follow-hive.ts';
import { type HiveEvent, Roster } from './hives/roster.ts';
import { chooseFor } from './jobs/choose-hives.ts';
import { RoutedJobs } from './jobs/routed-jobs.ts';
import { Undelivered } from './jobs/undelivered-cancels.ts';
import { FleetLimits } from './limits/fleet-limits.ts';
import { createQueenMetrics } from './metrics.ts';
import { createHoldings } from './models/holdings.ts';
import { Discovery } from './relay/discovery.ts';
import { Relay } from './relay/relay.ts';
import { addDoctorRoutes } from './routes/doctor.ts';
import { addDownloadRoutes } from './routes/downloads.ts';
import { addFleetRoutes } from './routes/fleet.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addModelRoutes } from './routes/models.ts';
import { QUEEN_PREFIX, type QueenSettings, queenSettings } from './settings.ts';
import { createQueenState, type QueenState, STATE_MIGRATIONS } from './state/state.ts';
import { VERSION } from './version.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** What a queen that stops leaves hives to answer what they were asked: less than her drain, whose rest needs time too. */
const LAST_ANSWERS_MS = 3_000;

/** A queen that listens: the one place that constructs what does I/O. */
export async function startQueen(settings: QueenSettings): Promise<Running<typeof queenSettings>> {
  const clock = systemClock;
  const startedAtMs = clock.now();
  const tls = readTls(settings);
  const queenId = settings.id;
  const logger = createLogger({ name: 'rbee-queen', level: settings.logLevel });
  const state = openState(settings.stateDir, logger);

  const streamHub = createStreamHub();
  // Streams stay open without a byte for as long as a keep-alive takes: the follower's watchdog judges them.
  const dispatcher = new Agent({ allowH2: false, bodyTimeout: 0, connect: { timeout: CONNECT_TIMEOUT_MS } });
  const client = createHiveClient({ dispatcher, token: settings.hiveToken });
  const { headers, identify } = client;

  const fixed = new Set(settings.hives.map(({ name }) => name));
  const roster: Roster = new Roster({
    clock,
    dispatcher,
    headers,
    identify,
    log: logger,
    // A fixed hive is known from the settings, as long as they name it.
    remember: (hive) => fixed.has(hive.hive_id) || state.keepHive(hive),
    forget(hiveId) {
      state.forgetHive(hiveId);
      limits.forget(hiveId);
    },
    onEvent: (event, hive, heartbeat) => onHiveEvent(event, hive, heartbeat),
  });
  const follow = (stream: HiveStream) => followHive({ fleet: roster, identify, clock, dispatcher, headers }, stream);
  const fleetStream = streamHub.keyedStream();
  const heartbeats = streamHub.keyedStream();
  const relay = new Relay({
    queenId,
    streamHub,
    follow,
    fleetStream,
    onOpen: (id, hiveId) => state.place(id, hiveId),
    onEnd: (id) => state.endPlacement(id),
  });
  const discovery = new Discovery({ relay, client, log: logger });
  const undelivered = new Undelivered({ fleet: roster, client, state, log: logger });
  const limits = new FleetLimits({
    clock,
    hives: () => roster.list(),
    getSettings: (hive) => client.getSettings(hive),
    patchSettings: (hive, patch) => client.patchSettings(hive, patch),
    remembered: state.limits(),
    remember: (hiveId, kept) => state.keepLimits(hiveId, kept),
    forget: (hiveId) => state.forgetLimits(hiveId),
    onSettings: (hiveId, known) => roster.know(hiveId, known),
    log: logger,
    budget: settings.maxBandwidth,
  });
  const onHiveEvent = (event: HiveEvent, hive: Hive, heartbeat: HiveHeartbeat | null) => {
    if (event === 'left') heartbeats.forget(hive.hive_id);
    else publishHeartbeat(heartbeats, queenId, heartbeat);
    if (event === 'arrived') void limits.arrived(hive);
    else limits.beat(hive);
    if (event === 'left') return;
    void undelivered.deliverAll(hive.hive_id);
    void discovery.heard(hive);
  };

  const logJob = createJobLog(logger);
  const registry = new JobRegistry(
    {
      streamHub,
      clock,
      actor: queenId,
      onBug: (error, id) => logger.error({ err: error, jobId: id }, 'a bug'),
      onChange: (job) => {
        state.keepJob(job.snapshot());
        logJob(job);
      },
      onForget: (id) => state.forgetJob(id),
      within: (job, work) => withLogFields({ jobId: job.id }, work),
    },
    { maxOpen: settings.maxOpenJobs },
  );
  const placements = new Map<string, number>();
  const placement = {
    fleet: roster,
    client,
    holdings: createHoldings(client),
    activeAt: (hiveId: string) => relay.activeAt(hiveId),
  };
  const routed = new RoutedJobs({
    registry,
    fleet: roster,
    client,
    relay,
    undelivered,
    state,
    follow,
    async choose(body) {
      const choice = await chooseFor(placement, body);
      placements.set(choice.reason, (placements.get(choice.reason) ?? 0) + 1);
      return choice;
    },
  });

  const inForce = { ...settings };
  const info = (): QueenInfo => {
    const hives = roster.list();
    return {
      queen_id: queenId,
      version: VERSION,
      uptime_secs: toSeconds(clock.now() - startedAtMs),
      hives: hives.length,
      hives_online: hives.filter((hive) => hive.online).length,
      settings: { ...settingsInForce(queenSettings, inForce, QUEEN_PREFIX), max_bandwidth: limits.budget },
    };
  };
  const access = { apiToken: settings.apiToken, hivesToken: settings.hivesToken };
  const { jobRate } = settings;
  const app = await createServer({
    logger,
    hub: streamHub,
    access,
    tls,
    title: 'rbee queen',
    version: VERSION,
    routes: queenRoutes,
    jobRate,
  });
  const metrics = createQueenMetrics({ roster, relay, undelivered, placements, limits, registry, streamHub });
  metrics.serve(app, queenRoutes.metrics);
  addFleetRoutes(app, { streamHub, roster, limits, heartbeats, info });
  addJobRoutes(app, { streamHub, registry, routed });
  addModelRoutes(app, { fleet: roster, client, routed });
  addDoctorRoutes(app, { fleet: roster, client });
  addDownloadRoutes(app, {
    streamHub,
    queenId,
    relay,
    client,
    routed,
    fleetStream,
    hives: () => roster.list(),
    hiveNamed: (hiveId) => roster.get(hiveId),
    rememberedHiveOf: (id) => state.hiveOf(id),
  });

  const apply = async (changed: Partial<QueenSettings>) => {
    Object.assign(inForce, changed);
    if (changed.apiToken !== undefined) access.apiToken = changed.apiToken;
    if (changed.hivesToken !== undefined) access.hivesToken = changed.hivesToken;
    if (changed.logLevel !== undefined) logger.level = changed.logLevel;
    if (changed.maxBandwidth !== undefined) await limits.setBudget(changed.maxBandwidth);
  };
  const close = async () => {
    const late = setTimeout(() => void dispatcher.destroy(), LAST_ANSWERS_MS);
    await registry.shutdown();
    relay.close();
    roster.close();
    await limits.close();
    await app.close();
    clearTimeout(late);
    await dispatcher.destroy();
    metrics.close();
    state.close();
  };
  try {
    // Before it listens: who comes back with an id must find it.
    for (const { name, url } of settings.hives) roster.add(name, url);
    takeUp(state, { roster, relay, routed });
    const url = await app.listen({ host: settings.host, port: settings.port });
    if (settings.apiToken !== null)
      logger.info({ apiToken: fingerprint(settings.apiToken) }, 'clients must send a token');
    return { url, logger, tls: serveTls(app, tls), apply, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function publishHeartbeat(stream: KeyedStream, queenId: string, heartbeat: HiveHeartbeat | null): void {
  if (heartbeat === null) return;
  const data = JSON.stringify({ orchestrator_id: queenId, ...heartbeat });
  stream.publish(heartbeat.hive_id, { event: 'heartbeat', data }, 'state');
}

/** Goes on with what an earlier life knew. */
function takeUp(state: QueenState, to: { roster: Roster; relay: Relay; routed: RoutedJobs }): void {
  for (const { hive_id, hive_url, last_seen_ms } of state.hives()) {
    if (to.roster.has(hive_id)) state.forgetHive(hive_id);
    else to.roster.add(hive_id, hive_url, last_seen_ms);
  }
  for (const { download_id, hive_id } of state.placements()) {
    if (to.roster.has(hive_id) && !to.relay.isFull) to.relay.open(hive_id, download_id);
    else state.endPlacement(download_id);
  }
  to.routed.resume(state.jobs());
}

function openState(folder: string, logger: Logger): QueenState {
  const onDamage = (movedTo: string, error: unknown) =>
    logger.error({ err: error, movedTo }, 'the state was damaged; it was put aside and a new one begun');
  return createQueenState(openStateDb(join(folder, 'queen.sqlite'), { migrations: STATE_MIGRATIONS, onDamage }));
}
