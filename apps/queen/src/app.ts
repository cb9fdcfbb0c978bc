import { type QueenInfo, systemClock, toSeconds } from '@rbee/contract';
import { createLogger, createServer, fingerprint, type Running, settingsInForce } from '@rbee/daemon';
import { createStreamHub } from '@rbee/event-stream';
import { JobRegistry } from '@rbee/jobs';
import { Agent } from 'undici';
import { createHiveClient } from './hives/client.ts';
import { Roster } from './hives/roster.ts';
import { RoutedJobs } from './jobs/route-job.ts';
import { Relay } from './relay/relay.ts';
import { addDownloadRoutes } from './routes/downloads.ts';
import { addFleetRoutes } from './routes/fleet.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { QUEEN_PREFIX, type QueenSettings, queenSettings } from './settings.ts';
import { VERSION } from './version.ts';

const CONNECT_TIMEOUT_MS = 5_000;

/** A queen that listens: the one place that constructs what does I/O. */
export async function startQueen(settings: QueenSettings): Promise<Running> {
  const clock = systemClock;
  const startedAtMs = clock.now();
  const queenId = settings.id;
  const logger = createLogger({ name: 'rbee-queen', level: settings.logLevel });

  const hub = createStreamHub();
  // Streams stay open without a byte for as long as a keep-alive takes: the follower's watchdog judges them.
  const dispatcher = new Agent({ allowH2: false, bodyTimeout: 0, connect: { timeout: CONNECT_TIMEOUT_MS } });
  const client = createHiveClient({ dispatcher, token: settings.hiveToken });
  const { headers } = client;
  const roster = new Roster({ clock, dispatcher, headers, log: logger });
  const relay = new Relay({ queenId, hub, dispatcher, headers });
  const onBug = (error: unknown, id: string) => logger.error({ err: error, jobId: id }, 'a bug');
  const registry = new JobRegistry({ hub, clock, actor: queenId, onBug });
  const routed = new RoutedJobs({ registry, fleet: roster, client, relay, dispatcher });

  const info = (): QueenInfo => {
    const hives = roster.list();
    return {
      queen_id: queenId,
      version: VERSION,
      uptime_secs: toSeconds(clock.now() - startedAtMs),
      hives: hives.length,
      hives_online: hives.filter((hive) => hive.online).length,
      settings: settingsInForce(queenSettings, settings, QUEEN_PREFIX),
    };
  };
  const access = { apiToken: settings.apiToken };
  const app = await createServer({ logger, hub, access, title: 'rbee queen', version: VERSION });
  addFleetRoutes(app, { roster, info });
  addJobRoutes(app, { hub, registry, routed });
  addDownloadRoutes(app, {
    hub,
    queenId,
    relay,
    client,
    routed,
    hives: () => roster.list(),
    hiveNamed: (hiveId) => roster.get(hiveId),
  });

  const close = async () => {
    await registry.shutdown();
    relay.close();
    roster.close();
    await app.close();
    await dispatcher.destroy();
  };
  try {
    const url = await app.listen({ host: settings.host, port: settings.port });
    for (const { name, url: hiveUrl } of settings.hives) roster.addFixed(name, hiveUrl);
    if (settings.apiToken !== null)
      logger.info({ apiToken: fingerprint(settings.apiToken) }, 'clients must send a token');
    return { url, logger, close };
  } catch (error) {
    await close();
    throw error;
  }
}
