import { exitCodes } from '../errors/exit-codes.ts';
import { untilAborted } from '../io.ts';
import { keeperVersion } from '../version.ts';
import { createCommand } from './create-command.ts';
import { assertHiveNames, type HiveOption, ONLY_HIVE, port } from './option-values.ts';
import { showList, shown, WATCH, type WatchOption } from './show-list.ts';

const status = createCommand<[options: WatchOption]>({
  name: 'status',
  description: 'show the queen, its hives and active downloads',
  examples: ['status'],
  weight: 'light',
  define: (command) => void command.option(...WATCH),
  async run(session, options) {
    const [{ fleetStatus }, { statusText }] = await Promise.all([
      import('../operations/lists.ts'),
      import('../render/list-text.ts'),
    ]);
    return showList(session, options, fleetStatus, (fleet) =>
      shown(() => session.renderer.result(fleet, () => statusText(fleet, session.text))),
    );
  },
});

const doctor = createCommand<[options: HiveOption]>({
  name: 'doctor',
  description: 'check network, hub access and disk of every hive',
  examples: ['doctor', 'doctor --hive gpu-1 --json'],
  define(command) {
    command.option(...ONLY_HIVE);
  },
  async run(session, { hive }) {
    const [{ examineFleet, exitCodeOfReport }, { doctorText }, { paintFor }] = await Promise.all([
      import('../operations/doctor.ts'),
      import('../render/doctor-text.ts'),
      import('../render/style.ts'),
    ]);
    assertHiveNames(hive);
    const { io, renderer, text } = session;
    const report = await session.withQueen((deps) => {
      renderer.note('checking; this takes up to 25 s');
      return examineFleet(deps, { hive, version: keeperVersion(), now: io.now });
    });
    const paint = paintFor({ isTerminal: io.stdout.isTTY, env: io.env });
    renderer.result(report, () => doctorText(report, { width: text.width, paint }));
    return exitCodeOfReport(report);
  },
});

interface UpOptions {
  readonly queenPort?: number;
  readonly hivePort?: number;
}

const up = createCommand<[options: UpOptions]>({
  name: 'up',
  description: 'run a queen and a hive until Ctrl+C',
  examples: ['up', 'up --queen-port 0 --hive-port 0'],
  define(command) {
    command
      .option('--queen-port <port>', 'port of the queen; 0 for a free port (default: 7833)', port)
      .option('--hive-port <port>', 'port of the hive; 0 for a free port (default: 7835)', port);
  },
  async run(session, { queenPort, hivePort }) {
    const [{ upEnv }, { placesText }] = await Promise.all([
      import('../own-fleet/fleet-env.ts'),
      import('../render/list-text.ts'),
    ]);
    const { io, renderer } = session;
    const env = upEnv(io.env, queenPort ?? null, hivePort ?? null);
    const token = io.env.RBEE_API_TOKEN || null;
    const fleet = await session.startFleet(env, { temporaryState: false, token, signal: io.interrupt });
    try {
      const { queenUrl: queen_url, hiveUrl: hive_url, hiveId: hive_id, modelsDir: models_dir } = fleet;
      const places = { queen_url, hive_url, hive_id, models_dir };
      renderer.result({ event: 'up', data: places }, () => placesText(places));
      const failure = await Promise.race([fleet.failed, untilAborted(io.interrupt)]);
      if (failure !== null) throw failure;
      return exitCodes.done;
    } finally {
      await fleet.stop();
    }
  },
});

/** The commands about the fleet as a whole, which have no group word. */
export const fleetCommands = [status, doctor, up];
