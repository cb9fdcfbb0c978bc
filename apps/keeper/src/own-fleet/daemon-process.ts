import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { KeeperError } from '../errors/keeper-error.ts';

const START_TIMEOUT_MS = 20_000;
/** A daemon drains for 10 s at most; one that takes longer is killed. */
const STOP_TIMEOUT_MS = 11_000;
/** The end of what a daemon says on stderr: enough for every bad setting. */
const MAX_STDERR_CHARS = 16 * 1024;
/** The exit code of a daemon that refuses its settings. */
const BAD_SETTINGS = 78;
/** pino's number for `error`. Of warnings, such as a retry, the download's own events tell. */
const ERROR_LEVEL = 50;

export interface DaemonOptions {
  /** What it is called in messages. */
  readonly name: 'queen' | 'hive';
  /** The JavaScript file to run. */
  readonly bin: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called with what it logs as an error. */
  onTrouble?(message: string): void;
  /** Gives up waiting for the start, and stops the daemon. */
  readonly signal: AbortSignal;
}

export interface DaemonProcess {
  /** Where it listens. */
  readonly url: string;
  /** Resolves when it has ended by itself, with what to tell the user; never rejects. */
  readonly failed: Promise<KeeperError>;
  /** SIGTERM, a bounded wait, SIGKILL. Resolves when it has ended. */
  stop(): Promise<void>;
  /** Tells it to end and does not wait: for when the keeper leaves at once. */
  abandon(): void;
}

/**
 * Starts a daemon and resolves when it listens. It runs in a process group of its own, so that Ctrl+C in the terminal
 * reaches the keeper alone, and with an IPC channel, so that it ends even where the keeper is killed.
 * @throws KeeperError DAEMON_FAILED with what the daemon said on stderr; the signal's reason on abort
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
    (error: unknown) => new KeeperError('DAEMON_FAILED', `the ${options.name} could not be run`, { cause: error }),
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

/** Reads the daemon's log to its end, and resolves with the URL of the line that says where it listens. */
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
  const said = stderr.trim();
  const text = `the ${name} ended by itself (${typeof how === 'number' ? `exit code ${how}` : String(how)})`;
  const hint =
    how === BAD_SETTINGS
      ? 'correct these settings and run the command again'
      : 'where another queen and hive run already, use them with --queen or RBEE_QUEEN_URL';
  return new KeeperError('DAEMON_FAILED', said === '' ? text : `${text}: ${said}`, { hint });
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
