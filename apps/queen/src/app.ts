import {
  type Clock,
  type HiveHeartbeat,
  type QueenInfo,
  queenRoutes,
  SNAPSHOT_END_EVENT,
  systemClock,
  toSeconds,
} from '@rbee/contract';
import {
  createLogger,
  createServer,
  fingerprint,
  jobHooks,
  type Logger,
  listen,
  type Running,
  readTls,
  serveTls,
  settingsInForce,
  type TlsIdentity,
} from '@rbee/daemon';
import { createStreamHub, type KeyedStream, type StreamHub } from '@rbee/event-stream';
import { JobRegistry } from '@rbee/jobs';
import { Agent } from 'undici';
import { createHiveClient, type HiveClient } from './hives/client.ts';
import { createFleetEvents } from './hives/fleet-events.ts';
import { followHive, type HiveStream } from './hives/follow-hive.ts';
import { Roster, type RosterDeps } from './hives/roster.ts';
import { chooseHives } from './jobs/choose-hives.ts';
import { removeHive } from './jobs/remove-hive.ts';
import { RoutedJobs, type RoutedJobsDeps } from './jobs/routed-jobs.ts';
import { UndeliveredCancels } from './jobs/undelivered-cancels.ts';
import { FleetLimits } from './limits/fleet-limits.ts';
import { createQueenMetrics } from './metrics.ts';
import { createHoldingsLookup } from './models/holdings.ts';
import { Discovery } from './relay/discovery.ts';
import { Relay } from './relay/relay.ts';
import { addDoctorRoutes } from './routes/doctor.ts';
import { addDownloadRoutes } from './routes/downloads.ts';
import { addFleetRoutes } from './routes/fleet.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addModelRoutes } from './routes/models.ts';
import { addRepoRoutes } from './routes/repo.ts';
import { QUEEN_PREFIX, type QueenSettings, queenSettings } from './settings.ts';
import { openState } from './state/open-state.ts';
import type { QueenState } from './state/state.ts';
import { VERSION } from './version.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** How long a stopping queen waits for pending responses of hives; shorter than its drain, which has more to do. */
const PENDING_RESPONSES_MS = 3_000;

/** Starts a queen. This file is the only place that constructs what does I/O. */
export async function startQueen(
  settings: QueenSettings,
  pendingResponsesMs = PENDING_RESPONSES_MS,
): Promise<Running<typeof queenSettings>> {
  const tls = readTls(settings);
  const queen = buildQueen(settings);
  return run(settings, tls, { ...queen, pendingResponsesMs }, await serve(settings, tls, queen));
}

type Queen = ReturnType<typeof buildQueen>;
type RunningQueen = Queen & { readonly pendingResponsesMs: number };
type Served = Awaited<ReturnType<typeof serve>>;

/** Everything behind the routes. Nothing is started. */
function buildQueen(settings: QueenSettings) {
  const clock = systemClock;
  const queenId = settings.id;
  const logger = createLogger({ name: 'rbee-queen', level: settings.logLevel });
  const { state, writer } = openState(settings.stateDir, { clock, logger });
  const streamHub = createStreamHub();
  // A stream may stay silent until its next keep-alive; the follower's watchdog decides when it is dead.
  const dispatcher = new Agent({ allowH2: false, bodyTimeout: 0, connect: { timeout: CONNECT_TIMEOUT_MS } });
  const client = createHiveClient({ dispatcher, token: settings.hiveToken });
  const core = { settings, clock, queenId, logger, state, streamHub, dispatcher, client };

  const hives = followHives(core);
  const { roster, follow } = hives;
  const { fleetStream } = hives;
  const relay = new Relay({
    queenId,
    streamHub,
    follow,
    fleetStream,
    onOpen: (id, hiveId) => state.place(id, hiveId),
    onEnd: (id) => state.endPlacement(id),
    log: logger,
  });
  const undeliveredCancels = new UndeliveredCancels({ fleet: roster, client, state, log: logger });
  const heartbeats = streamHub.keyedStream();
  const discovery = new Discovery({ relay, client, clock, log: logger });
  hives.onEvent = (event, hive, heartbeat) => {
    if (event === 'left') heartbeats.forget(hive.hive_id);
    else publishHeartbeat(heartbeats, queenId, heartbeat);
    hives.fleetEvents.hive(hive);
    if (event === 'arrived') void hives.limits.onArrival(hive);
    else hives.limits.onHeartbeat(hive, heartbeat?.max_bandwidth);
    if (event === 'left') return;
    void undeliveredCancels.deliverAll(hive.hive_id);
    void discovery.onHeartbeat(hive);
  };
  const jobs = routeJobs(core, { roster, follow, relay, undeliveredCancels });
  const startedAt = clock.elapsed();
  return { ...core, ...hives, ...jobs, writer, heartbeats, relay, undeliveredCancels, startedAt };
}

interface Core {
  readonly settings: QueenSettings;
  readonly clock: Clock;
  readonly queenId: string;
  readonly logger: Logger;
  readonly state: QueenState;
  readonly streamHub: StreamHub;
  readonly dispatcher: Agent;
  readonly client: HiveClient;
}

/** The hives and their limits; `onEvent` is set once there is someone to tell. */
function followHives({ settings, clock, queenId, logger, state, streamHub, dispatcher, client }: Core) {
  const fleetStream = streamHub.keyedStream({ snapshotEnd: { event: SNAPSHOT_END_EVENT, data: '{}' } });
  const fleetEvents = createFleetEvents(fleetStream, queenId);
  const { headers, whoIsAt } = client;
  const fixed = new Set(settings.hives.map(({ name }) => name));
  const roster: Roster = new Roster({
    clock,
    dispatcher,
    headers,
    whoIsAt,
    log: logger,
    // A fixed hive is known from the settings, for as long as they name it.
    remember: (hive) => fixed.has(hive.hive_id) || state.keepHive(hive),
    forget(hiveId) {
      state.forgetHive(hiveId);
      limits.forget(hiveId);
    },
    onEvent: (...event) => hives.onEvent(...event),
    onChange: (hiveId, hive) => (hive === null ? fleetEvents.removed(hiveId) : fleetEvents.hive(hive)),
  });
  fleetEvents.limits(settings.maxBandwidth);
  const limits = new FleetLimits({
    clock,
    hives: () => roster.list(),
    getSettings: (hive) => client.getSettings(hive),
    patchSettings: (hive, patch) => client.patchSettings(hive, patch),
    remembered: state.limits(),
    remember: (hiveId, kept) => state.keepLimits(hiveId, kept),
    forget: (hiveId) => state.forgetLimits(hiveId),
    onSettings: (hiveId, inForce) => roster.setSettings(hiveId, inForce),
    onBudget: (budget) => fleetEvents.limits(budget),
    log: logger,
    budget: settings.maxBandwidth,
  });
  const follow = (stream: HiveStream) => followHive({ fleet: roster, client, clock, dispatcher, headers }, stream);
  const onEvent: RosterDeps['onEvent'] = () => {};
  const hives = { roster, limits, follow, fixed, fleetStream, fleetEvents, onEvent };
  return hives;
}

type JobParts = Pick<RoutedJobsDeps, 'relay' | 'undeliveredCancels' | 'follow'> & { readonly roster: Roster };

/** The jobs, and the choice of their hives. */
function routeJobs(
  { settings, clock, queenId, logger, state, streamHub, client }: Core,
  { roster, relay, undeliveredCancels, follow }: JobParts,
) {
  const registry = new JobRegistry(
    {
      streamHub,
      clock,
      actor: queenId,
      onBug: (error, id) => logger.error({ err: error, jobId: id }, 'a bug'),
      ...jobHooks(logger, state),
    },
    { maxOpen: settings.maxOpenJobs },
  );
  const placements = new Map<string, number>();
  const placement = {
    fleet: roster,
    client,
    holdings: createHoldingsLookup(client),
    activeAt: (hiveId: string) => relay.activeAt(hiveId),
  };
  const routed = new RoutedJobs({
    registry,
    fleet: roster,
    client,
    relay,
    undeliveredCancels,
    state,
    follow,
    log: logger,
    async choose(body) {
      const choice = await chooseHives(placement, body);
      placements.set(choice.reason, (placements.get(choice.reason) ?? 0) + 1);
      return choice;
    },
  });
  return { registry, routed, placements };
}

/** The server with all its routes; it does not listen yet. */
async function serve(settings: QueenSettings, tls: TlsIdentity | null, queen: Queen) {
  const { clock, queenId, logger, streamHub, client, roster, limits, relay, registry, routed, state } = queen;
  const inForce = { ...settings };
  const info = (): QueenInfo => {
    const hives = roster.list();
    return {
      queen_id: queenId,
      version: VERSION,
      uptime_secs: toSeconds(clock.elapsed() - queen.startedAt),
      hives: hives.length,
      hives_online: hives.filter((hive) => hive.online).length,
      settings: { ...settingsInForce(queenSettings, inForce, QUEEN_PREFIX), max_bandwidth: limits.budget },
    };
  };
  const access = { apiToken: settings.apiToken, hivesToken: settings.hivesToken };
  const { jobRate } = settings;
  const deps = { title: 'rbee queen', version: VERSION, routes: queenRoutes };
  const app = await createServer({ ...deps, logger, hub: streamHub, access, tls, jobRate });
  const metrics = createQueenMetrics(queen);
  metrics.serve(app, queenRoutes.metrics);
  addFleetRoutes(app, {
    streamHub,
    roster,
    limits,
    heartbeats: queen.heartbeats,
    info,
    remove: (hiveId) => removeHive(queen, hiveId),
  });
  addJobRoutes(app, { streamHub, registry, routed });
  addModelRoutes(app, { fleet: roster, client, routed });
  addRepoRoutes(app, { fleet: roster, client });
  addDoctorRoutes(app, { fleet: roster, client });
  addDownloadRoutes(app, {
    streamHub,
    queenId,
    relay,
    client,
    routed,
    fleetStream: queen.fleetStream,
    undeliveredCancels: queen.undeliveredCancels,
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
  return { app, metrics, apply };
}

/** Restores the state and listens. */
async function run(
  settings: QueenSettings,
  tls: TlsIdentity | null,
  queen: RunningQueen,
  served: Served,
): Promise<Running<typeof queenSettings>> {
  const { app, apply } = served;
  const { logger, roster } = queen;
  const close = () => stop(queen, served);
  try {
    // Before it listens: a client that comes back with an id must find it.
    for (const { name, url } of settings.hives) roster.add(name, url);
    restoreState(queen);
    const url = await listen(app, settings);
    if (settings.apiToken !== null)
      logger.info({ apiToken: fingerprint(settings.apiToken) }, 'clients must send a token');
    return { url, logger, tls: serveTls(app, tls), apply, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function stop(queen: RunningQueen, { app, metrics }: Served) {
  const { registry, relay, roster, limits, dispatcher, state } = queen;
  const grace = setTimeout(() => void dispatcher.destroy(), queen.pendingResponsesMs);
  await registry.shutdown();
  relay.close();
  roster.close();
  await limits.close();
  await app.close();
  clearTimeout(grace);
  await dispatcher.destroy();
  metrics.close();
  state.close();
}

function publishHeartbeat(stream: KeyedStream, queenId: string, heartbeat: HiveHeartbeat | null): void {
  if (heartbeat === null) return;
  const data = JSON.stringify({ orchestrator_id: queenId, ...heartbeat });
  stream.publish(heartbeat.hive_id, { event: 'heartbeat', data }, 'state');
}

/** Continues with what a previous run knew. */
function restoreState({ state, roster, relay, routed }: Pick<Queen, 'state' | 'roster' | 'relay' | 'routed'>): void {
  for (const { hive_id, hive_url, last_seen_ms } of state.hives()) {
    if (roster.has(hive_id)) state.forgetHive(hive_id);
    else roster.add(hive_id, hive_url, last_seen_ms);
  }
  for (const { download_id, hive_id } of state.placements()) {
    if (roster.has(hive_id) && !relay.isFull) relay.open(hive_id, download_id);
    else state.endPlacement(download_id);
  }
  routed.resume(state.jobs());
}
