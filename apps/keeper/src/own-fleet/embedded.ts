import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createQueenClient, hiveInfo } from '../daemon-client/client.ts';
import { KeeperError } from '../errors/keeper-error.ts';
import { type DaemonProcess, startDaemon } from './daemon-process.ts';

const REGISTER_TIMEOUT_MS = 15_000;
const REGISTER_POLL_MS = 50;

export interface FleetOptions {
  /** The daemons' programs. */
  readonly bins: { readonly queen: string; readonly hive: string };
  readonly env: NodeJS.ProcessEnv;
  /** Environment variables of each daemon, in addition to `env`. */
  readonly queenEnv: Readonly<Record<string, string>>;
  readonly hiveEnv: Readonly<Record<string, string>>;
  /** Keeps the queen's state in a folder that is removed with the fleet, not in its usual folder. */
  readonly temporaryState: boolean;
  /** Keeps the hive's history in that folder too, so that it does not resume downloads of a previous run. */
  readonly isBystander?: boolean;
  /** The token that clients of the two must send. */
  readonly token: string | null;
  onTrouble?(daemon: 'queen' | 'hive', message: string): void;
  /** Registers a clean-up for an immediate exit. Returns a function that removes it again. */
  onLeave(cleanUp: () => void): () => void;
  readonly signal: AbortSignal;
}

/** A queen and a hive that the keeper has started. */
export interface Fleet {
  readonly queenUrl: string;
  readonly hiveUrl: string;
  readonly hiveId: string;
  readonly modelsDir: string;
  /** Resolves when one of the two exits by itself; never rejects. */
  readonly failed: Promise<KeeperError>;
  /** Stops both, the hive first, and removes the temporary folder. */
  stop(): Promise<void>;
}

/**
 * Starts a queen and a hive and resolves when the queen lists the hive as online.
 * @throws KeeperError DAEMON_FAILED; the signal's reason on abort. Both daemons are stopped then.
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const stateDir = options.temporaryState ? await mkdtemp(join(tmpdir(), 'rbee-queen-')) : null;
  const daemons: DaemonProcess[] = [];
  const removeCleanUp = options.onLeave(() => {
    for (const daemon of daemons) daemon.abandon();
    if (stateDir !== null) rmSync(stateDir, { recursive: true, force: true });
  });
  const stop = async () => {
    for (const daemon of [...daemons].reverse()) await daemon.stop();
    if (stateDir !== null) await rm(stateDir, { recursive: true, force: true });
    removeCleanUp();
  };
  const start = async (name: 'queen' | 'hive', settings: Readonly<Record<string, string>>) => {
    const daemon = await startDaemon({
      name,
      bin: options.bins[name],
      env: { ...options.env, ...settings },
      onTrouble: (message) => options.onTrouble?.(name, message),
      signal: options.signal,
    });
    daemons.push(daemon);
    return daemon;
  };
  try {
    const queen = await start('queen', {
      ...(stateDir === null ? {} : { RBEE_QUEEN_STATE_DIR: stateDir }),
      ...options.queenEnv,
    });
    const hive = await start('hive', {
      ...options.hiveEnv,
      ...(options.isBystander && stateDir !== null ? { RBEE_HIVE_STATE_DIR: join(stateDir, 'hive') } : {}),
      RBEE_HIVE_QUEEN_URL: queen.url,
    });
    const failed = Promise.race([queen.failed, hive.failed]);
    const info = await registered(options, { queenUrl: queen.url, hiveUrl: hive.url, failed });
    return { queenUrl: queen.url, hiveUrl: hive.url, ...info, failed, stop };
  } catch (error) {
    await stop();
    options.signal.throwIfAborted();
    throw error;
  }
}

interface Starting {
  readonly queenUrl: string;
  readonly hiveUrl: string;
  readonly failed: Promise<KeeperError>;
}

/** Waits until the queen lists the hive as online. */
async function registered(options: FleetOptions, { queenUrl, hiveUrl, failed }: Starting) {
  const timer = new AbortController();
  const signal = AbortSignal.any([options.signal, timer.signal]);
  const client = createQueenClient({ url: queenUrl, token: options.token });
  const search = async () => {
    const { hive_id: hiveId, models_dir: modelsDir } = await hiveInfo({ url: hiveUrl, token: options.token }, signal);
    while (!(await client.hives(signal)).some((hive) => hive.hive_id === hiveId && hive.online)) {
      await delay(REGISTER_POLL_MS, null, { signal });
    }
    return { hiveId, modelsDir };
  };
  try {
    const found = await Promise.race([
      search(),
      failed.then((error) => Promise.reject(error)),
      delay(REGISTER_TIMEOUT_MS, null, { signal }),
    ]);
    if (found !== null) return found;
    throw new KeeperError(
      'DAEMON_FAILED',
      `the hive at ${hiveUrl} did not come online with the queen at ${queenUrl} within ${REGISTER_TIMEOUT_MS / 1_000} s`,
    );
  } finally {
    timer.abort();
  }
}
