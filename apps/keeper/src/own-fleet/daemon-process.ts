import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { KeeperError } from '../errors/keeper-error.ts';
import { fieldsOf, type HoldAddress, readHold, readOwner, type SharedFleet, StoreOwnedError } from './store-owner.ts';

const START_TIMEOUT_MS = 20_000;
/** A daemon drains for at most 10 s; after this it is killed. */
const STOP_TIMEOUT_MS = 11_000;
/** The tail of a daemon's stderr that is kept: enough to list every bad setting. */
const MAX_STDERR_CHARS = 16 * 1024;
/** The exit code of a daemon with invalid settings. */
const BAD_SETTINGS = 78;
/** pino's level `error`. Warnings, such as retries, also arrive as events of the download. */
const ERROR_LEVEL = 50;

export interface DaemonOptions {
  /** For messages. */
  readonly name: 'queen' | 'hive';
  /** The JavaScript file to run. */
  readonly bin: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether other commands may use it. */
  readonly isShared?: boolean;
  /** Whether a hive leaves the downloads of a previous run waiting until one is started. */
  readonly isBystander?: boolean;
  /** A folder that it removes when it ends, also if the keeper is killed. */
  readonly temporaryFolder?: string | null;
  /** Called with each error that it logs. */
  onTrouble?(message: string): void;
  /** Aborts the start and stops the daemon. */
  readonly signal: AbortSignal;
}

export interface DaemonProcess {
  /** Where it listens. */
  readonly url: string;
  /** Resolves with an error for the user when it exits; never rejects. */
  readonly failed: Promise<KeeperError>;
  /** SIGTERM, a bounded wait, SIGKILL. Resolves when it has exited. */
  stop(): Promise<void>;
  /**
   * Ends the use of a daemon that other commands may hold. Resolves when it has exited, or with true when it says that it
   * stays for them. A daemon without `hold` is stopped.
   */
  leave(): Promise<boolean>;
  /** Sends SIGTERM without waiting, for an immediate exit of the keeper. A daemon that others hold stays. */
  abandon(): void;
  /** Whether other commands hold it. */
  readonly isHeld: boolean;
  /** Where other commands hold the daemon; null if they may not, or while it is not known. */
  readonly hold: HoldAddress | null;
  /** Tells a hive how other commands find it and its queen. */
  shareFleet(fleet: SharedFleet): void;
}

/**
 * Starts a daemon and resolves when it listens. Its own process group keeps Ctrl+C in the terminal from reaching it; the
 * IPC channel makes it exit even if the keeper is killed.
 * @throws KeeperError DAEMON_FAILED with the daemon's stderr; the signal's reason on abort
 */
export async function startDaemon(options: DaemonOptions): Promise<DaemonProcess> {
  options.signal.throwIfAborted();
  const child = spawn(process.execPath, [options.bin], {
    env: { ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-MAX_STDERR_CHARS);
  });
  let hold: HoldAddress | null = null;
  let failure: Readonly<Record<string, unknown>> | null = null;
  let isHeld = false;
  let onStays = () => {};
  child.on('message', (message) => {
    const { type, address, count, details } = fieldsOf(message);
    if (type === 'held') isHeld = count !== 0;
    if (type === 'hold') hold = readHold(address);
    if (type === 'stays') onStays();
    if (type === 'failed') failure = fieldsOf(details);
  });
  const say = (message: object) => {
    // A daemon that has exited needs no message.
    if (child.connected) child.send(message, () => {});
  };
  if (options.isBystander) say({ type: 'bystander' });
  if (options.temporaryFolder) say({ type: 'temporary', folder: options.temporaryFolder });
  if (options.isShared) say({ type: 'share' });
  const exited = once(child, 'close').then(
    ([code, signal]: unknown[]) => {
      const error = ended(options.name, code ?? signal, stderr);
      return failure?.['is_owned'] === true ? new StoreOwnedError(error, readOwner(failure['owner'])) : error;
    },
    (error: unknown) => new KeeperError('DAEMON_FAILED', `could not run the ${options.name}`, { cause: error }),
  );
  const timer = new AbortController();
  try {
    const url = await Promise.race([
      listening(child, options),
      exited.then((error) => Promise.reject(error)),
      delay(START_TIMEOUT_MS, null, { signal: AbortSignal.any([options.signal, timer.signal]) }),
    ]);
    if (url !== null) {
      return {
        url,
        failed: exited,
        get hold() {
          return hold;
        },
        shareFleet: (fleet) => say({ type: 'fleet', fleet }),
        stop: () => stop(child, exited),
        async leave() {
          if (hold === null || !child.connected) {
            await stop(child, exited);
            return false;
          }
          let isStaying = false;
          const stays = new Promise<void>((resolve) => {
            onStays = () => {
              isStaying = true;
              resolve();
            };
          });
          say({ type: 'leave' });
          await exitOf(child, Promise.race([exited, stays]));
          // Nothing of a daemon that stays may keep this command running.
          for (const pipe of [child.stdout, child.stderr]) pipe?.destroy();
          child.unref();
          return isStaying;
        },
        abandon() {
          if (!isHeld) kill(child, 'SIGTERM');
        },
        get isHeld() {
          return isHeld;
        },
      };
    }
    throw new KeeperError('DAEMON_FAILED', `the ${options.name} did not start within ${START_TIMEOUT_MS / 1_000} s`);
  } catch (error) {
    await stop(child, exited);
    options.signal.throwIfAborted();
    throw error;
  } finally {
    timer.abort();
  }
}

/** Reads the daemon's log to the end, and resolves with the URL that it listens on. */
function listening(child: ChildProcess, options: DaemonOptions): Promise<string> {
  return new Promise((resolve) => {
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const record = parseRecord(line);
      if (record.msg === 'listening' && typeof record.url === 'string') resolve(record.url);
      if (Number(record.level) >= ERROR_LEVEL) options.onTrouble?.(String(record.msg ?? line));
    });
  });
}

function parseRecord(line: string): Readonly<Record<string, unknown>> {
  try {
    return fieldsOf(JSON.parse(line));
  } catch {
    return {};
  }
}

function ended(name: string, how: unknown, stderr: string): KeeperError {
  const output = stderr.trim();
  const text = `the ${name} exited unexpectedly (${typeof how === 'number' ? `exit code ${how}` : String(how)})`;
  const hint =
    how === BAD_SETTINGS
      ? 'fix these settings and run the command again'
      : 'if another queen and hive are running, use them with --queen or RBEE_QUEEN_URL';
  return new KeeperError('DAEMON_FAILED', output === '' ? text : `${text}: ${output}`, { hint });
}

async function stop(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  kill(child, 'SIGTERM');
  await exitOf(child, exited);
}

/** Waits for a daemon that drains, and kills it when that takes too long. */
async function exitOf(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  const late = delay(STOP_TIMEOUT_MS, true, { signal: timer.signal });
  const isLate = await Promise.race([exited.then(() => false), late]);
  timer.abort();
  if (!isLate) return;
  kill(child, 'SIGKILL');
  await exited;
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
}
