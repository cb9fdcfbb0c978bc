import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { KeeperError } from '../errors/keeper-error.ts';

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
  /** Sends SIGTERM without waiting, for an immediate exit of the keeper. */
  abandon(): void;
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
  const exited = once(child, 'close').then(
    ([code, signal]: unknown[]) => ended(options.name, code ?? signal, stderr),
    (error: unknown) => new KeeperError('DAEMON_FAILED', `could not run the ${options.name}`, { cause: error }),
  );
  const timer = new AbortController();
  try {
    const url = await Promise.race([
      listening(child, options),
      exited.then((error) => Promise.reject(error)),
      delay(START_TIMEOUT_MS, null, { signal: AbortSignal.any([options.signal, timer.signal]) }),
    ]);
    if (url !== null)
      return { url, failed: exited, stop: () => stop(child, exited), abandon: () => kill(child, 'SIGTERM') };
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
    const record: unknown = JSON.parse(line);
    return typeof record === 'object' && record !== null ? { ...record } : {};
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
