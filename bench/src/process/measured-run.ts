import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { killGroup } from './kill-group.ts';
import { peakBytesBelow } from './proc.ts';

export interface RunOptions {
  /** Commands with their arguments, run one after another; the first to fail ends the run. */
  readonly steps: readonly (readonly string[])[];
  /** The whole environment of the commands. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface RunCost {
  /** From before the start of the first step to the end of the last. */
  readonly wallSeconds: number;
  /** User and system time of all steps and their children. */
  readonly cpuSeconds: number;
  /** null where the system does not report it. */
  readonly peakBytes: number | null;
}

/** A peak only grows, so sampling misses only the last moments of a process. */
const sampleEveryMs = 20;
const maxOutputChars = 4_000;
const msPerSecond = 1_000;
const secondsPerMinute = 60;

/**
 * Runs the steps under one shell, which waits for them and so knows exactly what they cost.
 * @throws Error with the last part of their output when a step fails or time runs out; the signal's reason when aborted
 */
export async function runMeasured({ steps, env, timeoutMs, signal }: RunOptions): Promise<RunCost> {
  signal.throwIfAborted();
  const limit = AbortSignal.timeout(Math.ceil(timeoutMs));
  const script = `${steps.map(shellLine).join(' && ')}; code=$?; times >&3; exit $code`;
  const startedMs = performance.now();
  const child = spawn('/bin/sh', ['-c', script], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  let endedMs = startedMs;
  child.once('exit', () => {
    endedMs = performance.now();
  });
  const output = [child.stdout, child.stderr].map(tailOf);
  const times = tailOf(child.stdio[3]);
  const memory = watchMemory(child);
  const stop = killGroup(child, AbortSignal.any([signal, limit]));
  try {
    const [code] = await once(child, 'close');
    signal.throwIfAborted();
    if (limit.aborted) throw new Error(`no end after ${timeoutMs / msPerSecond} s: ${script}`);
    if (code !== 0) throw new Error(`failed with ${code}: ${script}\n${output.map((tail) => tail()).join('')}`);
  } finally {
    stop();
    memory.stop();
  }
  const wallSeconds = (endedMs - startedMs) / msPerSecond;
  return { wallSeconds, cpuSeconds: secondsOfChildren(times()), peakBytes: memory.peakBytes() };
}

/** The second line of the shell's `times`, `0m1.230000s 0m0.340000s`: user and system time of all its children. */
export function secondsOfChildren(times: string): number {
  const children = times.trim().split('\n')[1] ?? '';
  const parts = [...children.matchAll(/(\d+)m(\d+(?:\.\d+)?)s/g)];
  if (parts.length !== 2) throw new Error(`the shell's times are not understood: ${JSON.stringify(times)}`);
  return parts.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * secondsPerMinute + Number(seconds), 0);
}

/** The words as a line of sh, whatever they hold. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
}

function watchMemory({ pid }: ChildProcess): { peakBytes(): number | null; stop(): void } {
  let peakBytes = 0;
  const timer = setInterval(() => {
    if (pid !== undefined) peakBytes = Math.max(peakBytes, peakBytesBelow(pid));
  }, sampleEveryMs);
  return { peakBytes: () => (peakBytes === 0 ? null : peakBytes), stop: () => clearInterval(timer) };
}

function tailOf(stream: unknown): () => string {
  let text = '';
  if (isReadable(stream)) {
    stream.setEncoding('utf8').on('data', (more: string) => {
      text = (text + more).slice(-maxOutputChars);
    });
  }
  return () => text;
}

function isReadable(stream: unknown): stream is NodeJS.ReadableStream {
  return typeof stream === 'object' && stream !== null && 'setEncoding' in stream;
}
