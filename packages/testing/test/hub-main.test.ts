import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { type Program, startProgram } from '../src/program.ts';
import { makeSampleGguf } from '../src/sample-gguf.ts';
import { get } from './http-get.ts';

const script = fileURLToPath(new URL('../src/hub-main.ts', import.meta.url));
const SIZE = 1_000_000;

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

async function start(args: readonly string[] = [], env: Record<string, string> = {}): Promise<Program> {
  const program = await startProgram({ command: process.execPath, args: [script, ...args], env });
  endings.push(() => program.kill());
  return program;
}

it('serves the sample model and says where in one line', async () => {
  const program = await start(['--size', String(SIZE), '--bytes-per-second', '0']);
  const { json } = await program.waitForLine(() => true, 'the line');
  expect(json).toEqual({
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    model: 'hf:rbee/sample-gguf::file=sample.gguf',
  });
  const redirect = await get(`${json?.url}/rbee/sample-gguf/resolve/main/sample.gguf`);
  const file = await get(redirect.headers.location ?? '');
  expect(file.body.equals(makeSampleGguf({ size: SIZE, seed: 7 }))).toBe(true);
  const digest = createHash('sha256').update(file.body).digest('hex');
  expect(redirect.headers['x-linked-etag']).toBe(`"${digest}"`);
  const listing = await get(`${json?.url}/api/models/rbee/sample-gguf`);
  expect(JSON.parse(listing.body.toString()).siblings).toEqual(
    ['README.md', 'config.json', 'sample.gguf'].map((rfilename) => ({ rfilename })),
  );
  expect(program.lines).toHaveLength(1);
  expect(await program.stop('SIGTERM')).toBe(0);
});

it('takes its settings from the environment too, and ends on SIGINT while it serves', async () => {
  const program = await start([], { RBEE_TEST_HUB_SIZE: String(SIZE), RBEE_TEST_HUB_BYTES_PER_SECOND: '1000' });
  const { json } = await program.waitForLine(() => true, 'the line');
  const redirect = await get(`${json?.url}/rbee/sample-gguf/resolve/main/sample.gguf`);
  const slow = get(redirect.headers.location ?? '');
  expect(await program.stop('SIGINT')).toBe(0);
  expect((await slow).body.length).toBeLessThan(SIZE);
});

it.each([
  ['its standard input ends', ['pipe', 'pipe', 'inherit'], (child: ChildProcess) => child.stdin?.end()],
  [
    'its channel to the parent closes',
    ['ignore', 'pipe', 'inherit', 'ipc'],
    (child: ChildProcess) => child.disconnect(),
  ],
] as const)('ends when %s', async (_, stdio, leave) => {
  const child = spawn(process.execPath, [script, '--size', String(SIZE)], { stdio: [...stdio] });
  endings.push(async () => child.kill('SIGKILL'));
  if (child.stdout === null) throw new Error('no stdout');
  await once(child.stdout, 'data');
  const ended = once(child, 'exit');
  leave(child);
  expect(await ended).toEqual([0, null]);
});

it('refuses a setting that is no number', async () => {
  const program = await start(['--size', 'big']);
  expect((await program.exited).code).toBe(1);
  expect(program.stderr()).toBe('hub: --size is a whole number, not "big"\n');
});
