import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type HubOptions,
  openTerminal,
  type Program,
  startHub,
  startProgram,
  type TestHub,
  tempDir,
} from '@rbee/testing';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const BIN = {
  hive: join(ROOT, 'apps/hive/bin/rbee-hive.js'),
  queen: join(ROOT, 'apps/queen/bin/rbee-queen.js'),
  keeper: join(ROOT, 'apps/keeper/bin/rbee-keeper.js'),
};

/** The program of the keeper. */
export const KEEPER = BIN.keeper;

type Env = Readonly<Record<string, string>>;

/** A daemon of the built product, as a process. */
export interface Daemon {
  readonly url: string;
  readonly program: Program;
}

export interface Hive extends Daemon {
  readonly id: string;
  readonly modelsDir: string;
}

/** A hub, a queen and hives on free ports of this machine, in a temporary folder. */
export interface Fleet {
  readonly hub: TestHub;
  readonly folder: string;
  /** The newest queen, running or not. */
  readonly queen: Daemon;
  readonly hives: readonly Hive[];
  /** The first hive. */
  readonly hive: Hive;
  /** Starts one more hive. */
  addHive(id: string, env?: Env): Promise<Hive>;
  /** Restarts a hive that has ended, with its old folders, at its old address or another. */
  restart(hive: Hive, where?: 'there' | 'elsewhere'): Promise<Hive>;
  /** Restarts the queen that has ended, at its old address and with its state. */
  restartQueen(env?: Env): Promise<Daemon>;
  /** Runs the keeper without a terminal. */
  keeper(args: readonly string[], env?: Env): Promise<Program>;
  /** Runs the keeper in a terminal. */
  keeperInTerminal(args: readonly string[], size?: { cols?: number; rows?: number }): ReturnType<typeof openTerminal>;
  close(): Promise<void>;
}

export interface FleetOptions {
  readonly hub?: HubOptions;
  /** Settings of the hives, in addition to those that every test needs. */
  readonly hiveEnv?: Env;
  readonly queenEnv?: Env;
  readonly hiveIds?: readonly string[];
}

/** Starts a daemon and waits for its `listening` line. */
export async function startDaemon(kind: 'hive' | 'queen', args: readonly string[], env: Env): Promise<Daemon> {
  const program = await startProgram({
    command: process.execPath,
    args: [BIN[kind], ...args],
    env: { [`RBEE_${kind.toUpperCase()}_PORT`]: '0', ...env },
  });
  const line = await program.waitForLine(({ json }) => json?.['msg'] === 'listening', `${kind} to listen`, {
    timeoutMs: 60_000,
  });
  return { program, url: String(line.json?.['url']) };
}

/** Runs the keeper without a terminal. */
export function startKeeper(args: readonly string[], env: Env): Promise<Program> {
  return startProgram({ command: process.execPath, args: [BIN.keeper, ...args], env });
}

export async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const hub = await startHub(options.hub);
  const folder = await tempDir();
  const home = { HOME: folder.path, XDG_STATE_HOME: join(folder.path, 'state') };
  const queenEnv = { ...home, ...options.queenEnv };
  const queen = await startDaemon('queen', [], queenEnv);
  const queens = [queen];
  const hives: Hive[] = [];
  const addHive = async (id: string, env: Env = {}): Promise<Hive> => {
    const modelsDir = join(folder.path, id, 'models');
    const daemon = await startDaemon('hive', ['--queen-url', queen.url, '--id', id, '--models-dir', modelsDir], {
      ...home,
      HF_ENDPOINT: hub.url,
      RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
      RBEE_HIVE_STATE_DIR: join(folder.path, id, 'state'),
      RBEE_HIVE_HEARTBEAT_INTERVAL: '200ms',
      ...options.hiveEnv,
      ...env,
    });
    const hive = { ...daemon, id, modelsDir };
    hives.push(hive);
    await online(queen.url, id);
    return hive;
  };
  const restart = (hive: Hive, where: 'there' | 'elsewhere' = 'there') =>
    addHive(hive.id, where === 'there' ? { RBEE_HIVE_PORT: new URL(hive.url).port } : {});
  const restartQueen = async (env: Env = {}): Promise<Daemon> => {
    const again = await startDaemon('queen', [], { ...queenEnv, RBEE_QUEEN_PORT: new URL(queen.url).port, ...env });
    queens.push(again);
    return again;
  };
  for (const id of options.hiveIds ?? ['hive-a']) await addHive(id);
  const [hive] = hives;
  if (!hive) throw new Error('a fleet has a hive');
  const keeperEnv = { ...home, RBEE_QUEEN_URL: queen.url };
  return {
    hub,
    folder: folder.path,
    get queen() {
      return queens.at(-1) ?? queen;
    },
    hives,
    hive,
    addHive,
    restart,
    restartQueen,
    keeper: (args, env = {}) => startKeeper(args, { ...keeperEnv, ...env }),
    keeperInTerminal: (args, size = {}) =>
      openTerminal({ command: process.execPath, args: [BIN.keeper, ...args], env: keeperEnv, ...size }),
    async close() {
      await Promise.all([...hives, ...queens].map(({ program }) => program.kill()));
      await hub.close();
      await folder.remove();
    },
  };
}

async function online(queenUrl: string, id: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const { hives } = (await (await fetch(`${queenUrl}/v1/hives`)).json()) as {
      hives: { hive_id: string; online: boolean }[];
    };
    if (hives.some((hive) => hive.hive_id === id && hive.online)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${id} did not register with the queen`);
}
