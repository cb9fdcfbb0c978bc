import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { generateBytes, type TempDir, tempDir } from '@rbee/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Contender, type ContenderName, contenderNames, contenders } from '../../src/files/contenders.ts';
import { type FarHub, startFarHub } from '../../src/files/far-hub.ts';
import type { ModelFiles } from '../../src/files/model.ts';
import { type RoundsOptions, runRounds } from '../../src/files/run-rounds.ts';

const files: ModelFiles = {
  'model.safetensors': { size: 70_000, seed: 1 },
  'config.json': { size: 300, seed: 2 },
};
const line = { delayMs: 1, bytesPerSecond: 1e9 };
const { signal } = new AbortController();
let folder: TempDir;
let hub: FarHub;

beforeAll(async () => {
  hub = await startFarHub({ files, line }, signal);
});
afterAll(() => hub.stop());
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(() => folder.remove());

/** Writes the files where a client would, with the given changes. */
function contender(change: Readonly<Record<string, Buffer>> = {}): Contender {
  return {
    title: 'a contender',
    async fetch(job) {
      const snapshot = join(job.folder, 'models--bench--many', 'snapshots', hub.commit);
      for (const [path, file] of Object.entries(files)) {
        await mkdir(dirname(join(snapshot, path)), { recursive: true });
        await writeFile(join(snapshot, path), change[path] ?? generateBytes(file));
      }
      return { ms: 7, cacheDir: job.folder };
    },
  };
}

function options(change: Partial<RoundsOptions> = {}): RoundsOptions {
  const all = { rbee: contender(), snapshot: contender(), 'eight-at-once': contender(), 'one-by-one': contender() };
  return { contenders: all, rounds: 2, hub, folder: folder.path, signal, onRun: () => {}, ...change };
}

describe('runRounds', () => {
  test('lets the contenders take turns, discards the first round and leaves nothing behind', async () => {
    const order: [number, ContenderName][] = [];
    const samples = await runRounds(options({ onRun: (round, name) => void order.push([round, name]) }));
    expect(order).toEqual([0, 1, 2].flatMap((round) => contenderNames.map((name) => [round, name])));
    expect(Object.keys(samples)).toEqual([...contenderNames]);
    for (const name of contenderNames) expect(samples[name]).toEqual([7, 7]);
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('fails on a wrong file and names it and its contender', async () => {
    const wrong = { ...options().contenders, snapshot: contender({ 'config.json': Buffer.from('{}') }) };
    await expect(runRounds(options({ contenders: wrong }))).rejects.toThrow('snapshot fetched a wrong config.json');
  });

  test('fails when a contender fails', async () => {
    const failing = { title: '', fetch: () => Promise.reject(new Error('no such repo')) };
    const all = { ...options().contenders, 'one-by-one': failing };
    await expect(runRounds(options({ contenders: all }))).rejects.toThrow('no such repo');
    expect(existsSync(join(folder.path, 'run'))).toBe(false);
  });
});

describe('the contenders', () => {
  test('all fetch the whole model from both origins of the hub', async () => {
    const seen: ContenderName[] = [];
    await runRounds(options({ contenders, rounds: 0, onRun: (_, name) => void seen.push(name) }));
    expect(seen).toEqual([...contenderNames]);
  });
});
