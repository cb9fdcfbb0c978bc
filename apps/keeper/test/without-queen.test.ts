import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { EXIT_CODES } from '@rbee/contract';
import { startHub, startProgram, type TempDir, type TestHub, tempDir } from '@rbee/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { untilNoDaemons } from './support/daemons-of.ts';
import { runKeeper, startKeeper } from './support/keeper.ts';
import { realFleetEnv } from './support/real-fleet.ts';

// Goal: after a download without a queen every command works without one, on the same models and the same history, leaves
// nothing running, and resumes no interrupted download by itself. Method: real keepers and the built daemons.

const SIZE = 300_000;
const REF = 'hf:org/repo::file=a.gguf';
const WAIT = { timeoutMs: 90_000 } as const;
vi.setConfig({ testTimeout: 2 * WAIT.timeoutMs, hookTimeout: 2 * WAIT.timeoutMs });
const isQueenHere = await fetch('http://127.0.0.1:7833/health').then(
  () => true,
  () => false,
);
const isUsable = process.platform === 'linux' && !isQueenHere;

let hub: TestHub;
let folder: TempDir;
async function open(): Promise<void> {
  hub = await startHub();
  hub.addRepo({ id: 'org/repo', files: { 'a.gguf': { size: SIZE, seed: 1 }, 'b.gguf': { size: SIZE, seed: 2 } } });
  folder = await tempDir();
  await mkdir(join(folder.path, 'tmp'));
}
async function close(): Promise<void> {
  await untilNoDaemons(folder, WAIT);
  await hub.close();
  await folder.remove();
}
const env = () => realFleetEnv(hub, folder);
const keeper = (...words: string[]) => runKeeper(words, { env: env() });

describe.skipIf(!isUsable)('after a download without a queen', () => {
  beforeAll(async () => {
    await open();
    const { code, stderr } = await keeper('pull', REF);
    expect(code, stderr).toBe(EXIT_CODES.done);
  });
  afterAll(close);

  it.each([
    ['ls', 'a.gguf'],
    ['model plan hf:org/repo::file=b.gguf', 'b.gguf'],
    ['model show org/repo', 'a.gguf'],
    ['model verify', 'ok'],
    ['model prune', 'nothing to prune'],
    ['download list', 'complete'],
    ['job list', 'no jobs'],
    ['hive list', 'local'],
    ['status', 'no active downloads'],
    ['doctor --hive local', 'hive local'],
    ['model rm hf:org/repo::file=a.gguf', 'a.gguf '],
    ['download clear', 'removed 1 download'],
  ])('[K2] %s works', async (line, shown) => {
    const { code, stdout, stderr } = await keeper(...line.split(' '));
    expect(stdout, stderr).toContain(shown);
    expect(stderr).toContain('no queen is running: started a temporary queen and hive');
    // What a doctor finds on this machine is another matter.
    expect(line.startsWith('doctor') && code === EXIT_CODES.failed ? EXIT_CODES.done : code, stderr).toBe(
      EXIT_CODES.done,
    );
  });

  it('[K2] a command that would change what ends with it says that it needs a queen', async () => {
    const { code, stderr } = await keeper('hive', 'limit', 'local', '--max-bandwidth', '1MB/s');
    expect(code).toBe(EXIT_CODES.unreachable);
    expect(stderr).toContain('and hive limit needs one');
  });
});

describe.skipIf(!isUsable)('after a download without a queen that was killed', () => {
  beforeEach(async () => {
    await open();
    hub.throttle(0);
    const first = await startKeeper(['pull', REF], { env: env() });
    await first.waitFor(() => first.stderr().includes('a.gguf: downloading'), 'the download', WAIT);
    await first.kill();
    await untilNoDaemons(folder, WAIT);
    hub.throttle(null);
  });
  afterEach(close);

  it('[K2] commands that look at it do not resume it; one that downloads does', async () => {
    const before = hub.requests.length;
    const list = await keeper('download', 'list');
    expect(list.stdout, list.stderr).toMatch(/queued .*a\.gguf\n/);
    expect(hub.requests).toHaveLength(before);
    const { code, stdout } = await keeper('pull', REF);
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.done, stdout: expect.stringContaining('a.gguf') });
    expect((await keeper('download', 'list')).stdout).toMatch(/complete .*a\.gguf\n/);
  });
});

describe.skipIf(!isUsable)('where a hive without a queen owns the store', () => {
  beforeEach(open);
  afterEach(close);

  it.each(['ls', 'status', 'download list', 'model prune'])('[K2] %s uses that hive', async (line) => {
    const hive = await startProgram({
      command: process.execPath,
      args: [createRequire(import.meta.url).resolve('rbee-hive/bin')],
      env: { ...env(), RBEE_HIVE_PORT: '0', RBEE_HIVE_ID: 'service' },
    });
    await hive.waitForLine(({ json }) => json?.msg === 'listening', 'a listening hive', WAIT);
    const { code, stderr } = await keeper(...line.split(' '));
    expect({ code, stderr }).toEqual({
      code: EXIT_CODES.done,
      stderr: expect.stringContaining('using the hive that runs already'),
    });
    await hive.stop();
  });
});
