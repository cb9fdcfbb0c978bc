import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { childEnv } from './child-env.ts';
import { createWatch, type WaitOptions, type Watch } from './watch.ts';

export interface ProgramOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to a small clean environment (PATH, HOME, locale); nothing else of the test's environment leaks in. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface ProgramLine {
  readonly text: string;
  /** The line as a JSON object; null when it is not one. */
  readonly json: Readonly<Record<string, unknown>> | null;
}

export interface ProgramExit {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Program {
  readonly pid: number;
  /** Lines of stdout so far. */
  readonly lines: readonly ProgramLine[];
  /** All of stdout so far. */
  stdout(): string;
  /** The same with every character as it came, up to 1 MB: `stdout` ends its lines as a reader does. */
  rawStdout(): string;
  stderr(): string;
  /** The first line of stdout to satisfy the predicate, past ones included. Rejects as soon as the program ends without it. */
  waitForLine(predicate: (line: ProgramLine) => boolean, what: string, options?: WaitOptions): Promise<ProgramLine>;
  /** Like `waitForLine`, for any condition that depends on the program's output. */
  waitFor(condition: () => boolean, what: string, options?: WaitOptions): Promise<void>;
  /** Resolves when the program has ended and its output has been read. Never rejects. */
  readonly exited: Promise<ProgramExit>;
  /** Sends the signal and waits for the end. Kills a program that does not end in time, and rejects. */
  stop(signal?: NodeJS.Signals, options?: WaitOptions): Promise<number | null>;
  /** Kills the program and everything it started. */
  kill(): Promise<ProgramExit>;
}

/** Further lines are not kept. */
const maxLines = 100_000;
const maxRawChars = 1024 * 1024;
const stopTimeoutMs = 30_000;
const shownChars = 4_000;

/** Starts a real program and collects its output. It is killed at the latest when this process ends. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const child = spawn(options.command, options.args ?? [], {
    cwd: options.cwd,
    env: childEnv(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, so that the program's children can be killed with it.
    detached: true,
  });
  await started(child);
  return watchProgram(child, options.command);
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
}

interface Output {
  readonly lines: readonly ProgramLine[];
  readonly watch: Watch;
  raw(): string;
  stderr(): string;
}

function collectOutput(stdout: Readable, stderr: Readable, command: string): Output {
  const lines: ProgramLine[] = [];
  let raw = '';
  let errors = '';
  const watch = createWatch(() => `stdout of ${command}:\n${tail(textOf(lines))}\nstderr:\n${tail(errors)}`);
  stdout.setEncoding('utf8').on('data', (text: string) => {
    raw = (raw + text).slice(-maxRawChars);
  });
  createInterface({ input: stdout }).on('line', (text) => {
    if (lines.length < maxLines) lines.push({ text, json: parseObject(text) });
    watch.poke();
  });
  stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-maxRawChars);
    watch.poke();
  });
  return { lines, watch, raw: () => raw, stderr: () => errors };
}

function watchProgram(child: ChildProcess, command: string): Program {
  const { pid, stdout, stderr } = child;
  if (pid === undefined || stdout === null || stderr === null) throw new Error(`${command} has no pid or no pipes`);
  const output = collectOutput(stdout, stderr, command);
  let closed = false;
  // Once it has ended, the id may belong to another process.
  const killGroup = (): void => {
    if (!closed) sendSignal(-pid, 'SIGKILL');
  };
  process.once('exit', killGroup);
  const exited = new Promise<ProgramExit>((resolve) => {
    child.once('close', (code, signal) => {
      closed = true;
      process.off('exit', killGroup);
      output.watch.end(`${command} ended with ${signal ?? `code ${code}`}`);
      resolve({ code, signal });
    });
  });
  const kill = (): Promise<ProgramExit> => {
    killGroup();
    return exited;
  };
  return {
    pid,
    lines: output.lines,
    stdout: () => textOf(output.lines),
    rawStdout: output.raw,
    stderr: output.stderr,
    waitFor: output.watch.waitFor,
    waitForLine: (predicate, what, waitOptions) => waitForLine(output, predicate, what, waitOptions),
    exited,
    async stop(signal = 'SIGTERM', { timeoutMs = stopTimeoutMs } = {}) {
      child.kill(signal);
      const end = await Promise.race([exited, elapsed(timeoutMs, exited)]);
      if (end !== null) return end.code;
      await kill();
      throw new Error(`${command} did not end within ${timeoutMs} ms of ${signal}\n${tail(output.stderr())}`);
    },
    kill,
  };
}

async function waitForLine(
  { lines, watch }: Output,
  predicate: (line: ProgramLine) => boolean,
  what: string,
  options?: WaitOptions,
): Promise<ProgramLine> {
  let found: ProgramLine | undefined;
  let seen = 0;
  const look = (): boolean => {
    for (; found === undefined && seen < lines.length; seen += 1) {
      const line = lines[seen];
      if (line !== undefined && predicate(line)) found = line;
    }
    return found !== undefined;
  };
  await watch.waitFor(look, what, options);
  if (found === undefined) throw new Error('the wait succeeded without a line');
  return found;
}

const textOf = (lines: readonly ProgramLine[]): string => lines.map((line) => `${line.text}\n`).join('');
const tail = (text: string): string => text.slice(-shownChars);

/** Resolves with null after the time; the timer does not outlive `unless`. */
async function elapsed(ms: number, unless: Promise<unknown>): Promise<null> {
  const controller = new AbortController();
  void unless.then(() => controller.abort());
  return await delay(ms, null, { signal: controller.signal }).catch(() => null);
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It has already ended.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  if (!text.startsWith('{')) return null;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
}
