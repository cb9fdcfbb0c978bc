import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { runMeasured, secondsOfChildren, shellLine } from '../../src/process/measured-run.ts';

const env = { PATH: process.env.PATH ?? '' };
const timeoutMs = 60_000;
const signal = new AbortController().signal;
const run = (...steps: string[][]) => runMeasured({ steps, env, timeoutMs, signal });
const node = (code: string): string[] => [process.execPath, '-e', code];
/** Uses that much of a core, however long that takes on a busy machine. */
const burnMs = (ms: number): string[] =>
  node(`const start = process.cpuUsage(); for (;;) { const { user, system } = process.cpuUsage(start);
    if (user + system > ${ms} * 1000) break; }`);

describe('what a run costs', () => {
  test('includes the CPU time of all steps', async () => {
    const { cpuSeconds } = await run(burnMs(100), burnMs(200));
    expect(cpuSeconds).toBeGreaterThan(0.28);
  });

  test('includes that of the processes a step starts', async () => {
    const { cpuSeconds } = await run(['sh', '-c', `${shellLine(burnMs(100))}; true`]);
    expect(cpuSeconds).toBeGreaterThan(0.09);
  });

  test('takes no CPU time for waiting', async () => {
    const { cpuSeconds, wallSeconds } = await run(['sleep', '0.3']);
    expect(wallSeconds).toBeGreaterThan(0.29);
    expect(cpuSeconds).toBeLessThan(wallSeconds);
  });

  test.runIf(process.platform === 'linux')('has the peak of the biggest step, not the sum', async () => {
    // Stays until its memory has been sampled.
    const hold = (mb: number) => node(`Buffer.alloc(${mb} * 1e6, 1); setTimeout(() => {}, 300)`);
    const { peakBytes } = await run(hold(200), hold(150));
    expect(peakBytes).toBeGreaterThan(200e6);
    expect(peakBytes).toBeLessThan(340e6);
  });
});

describe('a run that fails', () => {
  test('rejects with the output of the failed step, and skips the next', async () => {
    const failure = await run(['sh', '-c', 'echo out of order >&2; exit 3'], ['sh', '-c', 'echo never said']).catch(
      (error: Error) => error.message,
    );
    expect(failure).toContain('failed with 3');
    expect(failure).toMatch(/out of order\n$/);
  });

  test('is killed by an abort', async () => {
    const abort = new AbortController();
    const reason = new Error('stopped');
    const running = runMeasured({ steps: [['sleep', '60']], env, timeoutMs, signal: abort.signal });
    abort.abort(reason);
    // It settles once the pipes are closed, which the step holds as well.
    await expect(running).rejects.toBe(reason);
  });

  test('is killed when time runs out', async () => {
    const running = runMeasured({ steps: [['sleep', '60']], env, timeoutMs: 50.5, signal });
    await expect(running).rejects.toThrow('no end after');
  });

  test('starts nothing when aborted before', async () => {
    const gone = AbortSignal.abort(new Error('gone'));
    await expect(runMeasured({ steps: [['true']], env, timeoutMs, signal: gone })).rejects.toThrow('gone');
  });
});

describe('secondsOfChildren', () => {
  test('reads the output of dash and bash', () => {
    expect(secondsOfChildren('0m0.000000s 0m0.010000s\n0m2.860000s 1m0.030000s\n')).toBeCloseTo(62.89);
    expect(secondsOfChildren('0m0.001s 0m0.000s\n10m0.500s 0m0.125s\n')).toBeCloseTo(600.625);
  });

  test('rejects other output', () => {
    expect(() => secondsOfChildren('')).toThrow('not understood');
  });
});

test('a shell gets the words back as they were', () => {
  const words = ['plain', "it's", 'two words', '$HOME `id` \\ "', '', '*'];
  const output = execFileSync('/bin/sh', ['-c', `for word in ${shellLine(words)}; do printf '%s\\n' "$word"; done`]);
  expect(String(output)).toBe(words.map((word) => `${word}\n`).join(''));
});
