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
  /** Whether the downloads of a previous run wait until one is started. */
  readonly isBystander?: boolean;
  /** Whether other commands may use the two, and keep them when this one ends. */
  readonly isShared?: boolean;
  /** The token that clients of the two must send. */
  readonly token: string | null;
  onTrouble?(daemon: 'queen' | 'hive', message: string): void;
  /** Registers a clean-up for an immediate exit. Returns a function that removes it again. */
  onLeave(cleanUp: () => void): () => void;
  readonly signal: AbortSignal;
}

/** A queen and a hive for a command, which it has started itself or shares with others. */
export interface Fleet {
  readonly queenUrl: string;
  readonly hiveUrl: string;
  readonly hiveId: string;
  readonly modelsDir: string;
  /** Whose they are, for people. */
  readonly isOwn: boolean;
  readonly token: string | null;
  /** Resolves when one of the two exits by itself; never rejects. */
  readonly failed: Promise<KeeperError>;
  /** Ends the use of both: those that nobody else uses are stopped, the hive first, and the temporary folder is removed. */
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
    // The last command that uses the queen removes it.
    if (stateDir !== null && !daemons.some(({ isHeld }) => isHeld)) rmSync(stateDir, { recursive: true, force: true });
  });
  const stop = async () => {
    let isStaying = false;
    for (const daemon of [...daemons].reverse()) isStaying = await daemon.leave();
    if (stateDir !== null && !isStaying) await rm(stateDir, { recursive: true, force: true });
    removeCleanUp();
  };
  const start = async (name: 'queen' | 'hive', settings: Readonly<Record<string, string>>) => {
    const daemon = await startDaemon({
      name,
      bin: options.bins[name],
      env: { ...options.env, ...settings },
      isShared: options.isShared ?? false,
      temporaryFolder: name === 'queen' ? stateDir : null,
      isBystander: name === 'hive' && (options.isBystander ?? false),
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
      RBEE_HIVE_QUEEN_URL: queen.url,
    });
    const failed = Promise.race([queen.failed, hive.failed]);
    const info = await registered(options, { queenUrl: queen.url, hiveUrl: hive.url, failed });
    if (queen.hold !== null && hive.hold !== null)
      hive.shareFleet({
        ...{ queen_url: queen.url, queen_hold: queen.hold, hive_hold: hive.hold },
        state_dir: stateDir,
      });
    const { token } = options;
    return { queenUrl: queen.url, hiveUrl: hive.url, ...info, isOwn: true, token, failed, stop };
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
export async function registered(
  options: Pick<FleetOptions, 'token' | 'signal'> & { readonly queenToken?: string | null },
  { queenUrl, hiveUrl, failed }: Starting,
) {
  const timer = new AbortController();
  const signal = AbortSignal.any([options.signal, timer.signal]);
  const client = createQueenClient({
    url: queenUrl,
    token: options.queenToken === undefined ? options.token : options.queenToken,
  });
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
