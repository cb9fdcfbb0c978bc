import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createWatch,
  makeSampleGguf,
  type Program,
  startHub,
  type TempDir,
  type TestHub,
  tempDir,
} from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keeperAlone } from './support/fleet.ts';

// Goal: with no queen anywhere the keeper brings its own, and leaves no process behind however it ends. Method: the
// daemons' pids are read from the store's lock and from /proc, and looked for afterwards.

const bytes = makeSampleGguf({ size: 2 * 1024 * 1024, seed: 5 });
const MODEL = 'hf:org/model::file=model.gguf';

let hub: TestHub;
let folder: TempDir;
let modelsDir: string;
beforeEach(async () => {
  hub = await startHub();
  hub.addRepo({ id: 'org/model', files: { 'model.gguf': bytes } });
  folder = await tempDir();
  modelsDir = join(folder.path, 'models');
});
afterEach(async () => {
  await hub.close();
  await folder.remove();
});

function pull(...args: string[]): Promise<Program> {
  return keeperAlone(['model', 'download', MODEL, ...args], {
    HOME: folder.path,
    XDG_STATE_HOME: join(folder.path, 'state'),
    HF_ENDPOINT: hub.url,
    RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
    RBEE_HIVE_MODELS_DIR: modelsDir,
  });
}

/** The hive's pid, from the lock of its store. */
async function hivePid(): Promise<number> {
  const lock = await readFile(join(modelsDir, '.locks', 'rbee-hive.lock'), 'utf8');
  return (JSON.parse(lock) as { pid: number }).pid;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('the embedded default', () => {
  it('downloads, says so in one line, prints the path alone on stdout, and ends its daemons', async () => {
    hub.throttle(0);
    const keeper = await pull();
    await hub.waitFor(() => hub.inFlight('cdn') === 1, 'the transfer');
    const pid = await hivePid();
    hub.throttle(null);
    expect(await keeper.exited).toMatchObject({ code: 0 });
    expect(keeper.stderr().match(/a queen and a hive of my own/g)).toHaveLength(1);
    const path = keeper.stdout().trim();
    expect((await readFile(path)).equals(bytes)).toBe(true);
    expect(isAlive(pid)).toBe(false);
    await expect(access(join(modelsDir, '.locks', 'rbee-hive.lock'))).rejects.toThrow('ENOENT');
  });

  it('is named as JSON events alone on stdout with --json', async () => {
    const keeper = await pull('--json');
    expect(await keeper.exited).toMatchObject({ code: 0 });
    expect(keeper.lines.every(({ json }) => json !== null)).toBe(true);
    expect(keeper.lines.at(-1)?.json).toMatchObject({ event: expect.any(String) });
    expect(keeper.lines.some(({ json }) => json?.['event'] === 'complete')).toBe(true);
  });

  it('leaves no process behind when the keeper is interrupted', async () => {
    hub.throttle(0);
    const keeper = await pull();
    await hub.waitFor(() => hub.inFlight('cdn') === 1, 'the transfer');
    const pid = await hivePid();
    expect(await keeper.stop('SIGINT')).toBe(130);
    expect(isAlive(pid)).toBe(false);
    expect(hub.inFlight('cdn')).toBe(0);
  });

  it('leaves no process behind when the keeper is killed', async () => {
    hub.throttle(0);
    const keeper = await pull();
    await hub.waitFor(() => hub.inFlight('cdn') === 1, 'the transfer');
    const pid = await hivePid();
    process.kill(keeper.pid, 'SIGKILL');
    const watch = createWatch(() => `the hive ${pid} lives`);
    await watch.waitFor(() => !isAlive(pid), 'the hive to end', { timeoutMs: 15_000 });
    await hub.waitFor(() => hub.inFlight('cdn') === 0, 'the transfer to end');
  });
});
