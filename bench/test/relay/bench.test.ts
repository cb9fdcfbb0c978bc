import { expect, test } from 'vitest';
import { relayBench } from '../../src/relay/bench.ts';

test('every event reaches every reader of both servers', async () => {
  const logged: string[] = [];
  const printed: string[] = [];
  const code = await relayBench.run(['--readers', '20', '--rounds', '1'], {
    signal: new AbortController().signal,
    print: (text) => void printed.push(text),
    log: (line) => void logged.push(line),
    path: process.env.PATH ?? '',
  });
  expect(code).toBe(0);
  expect(logged).toHaveLength(4);
  expect(printed.join()).toContain('1 stream, 20 readers, one event in flight.');
});
