import { execFileSync } from 'node:child_process';
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeSampleGguf } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256Of } from '../store/support.ts';
import { startTestHive, type TestHive } from './support.ts';

// Goal: whatever another program, or another user of a shared folder, puts in the place of a file of the store, the hive says
// what it is before it fetches anything, or works without it, and never waits for it.

const GGUF = makeSampleGguf({ size: 300_000, seed: 3 });

let hive: TestHive;
let commit: string;
beforeEach(async () => {
  hive = await startTestHive();
  commit = hive.hub.addRepo({ id: 'org/model', files: { 'sub/model.gguf': GGUF } }).commit;
});
afterEach(() => hive.close());

const repo = (...parts: string[]) => join(hive.modelsDir, 'models--org--model', ...parts);
const bodies = () => hive.hub.requests.filter(({ method, server }) => method === 'GET' && server === 'cdn');
async function download(): Promise<Record<string, unknown> | undefined> {
  await hive.run({ operation: 'model_download', model: 'hf:org/model::file=sub/model.gguf' });
  return ((await hive.api('GET', '/v2/downloads')).body['downloads'] as Record<string, unknown>[])[0];
}
const folder = (path: string) => mkdir(path, { recursive: true });
const file = (path: string) => folder(dirname(path)).then(() => writeFile(path, ''));
const pipe = (path: string) => folder(dirname(path)).then(() => execFileSync('mkfifo', [path]));

describe('a name that something else has', () => {
  it.each<[string, () => string, (path: string) => Promise<unknown>, string]>([
    ['a folder for the blob', () => repo('blobs', sha256Of(GGUF)), folder, 'is a folder, where a file has to be'],
    ['a folder for the file', () => repo('snapshots', commit, 'sub/model.gguf'), folder, 'is a folder, where a file'],
    ['a file for its folder', () => repo('snapshots', commit, 'sub'), file, 'is a file, where a folder has to be'],
    ['a folder for the ref', () => repo('refs/main'), folder, 'is a folder, where a file has to be'],
    ['a file for the blobs', () => repo('blobs'), file, 'cannot write'],
    ['a file for the refs', () => repo('refs'), file, 'cannot write'],
    ['a file for the repo', () => repo(), file, 'cannot write'],
  ])('[E4] %s is named before the first byte', async (_, path, put, words) => {
    await put(path());
    const ended = await download();
    expect(ended).toMatchObject({ status: 'failed', error: { code: 'STORE_NOT_WRITABLE' } });
    const told = JSON.stringify(ended?.['error']);
    for (const part of [words, path(), 'move it away, and retry']) expect(told).toContain(part);
    expect(bodies()).toEqual([]);
  });
});

describe('a pipe or a file without end', () => {
  it.each<[string, () => string]>([
    ['ref', () => repo('refs/main')],
    ['another ref', () => repo('refs/other')],
    ['entry of the catalog', () => repo('.rbee/m-0123456789ab.json')],
    ['index of a set of shards', () => repo('snapshots', 'b'.repeat(40), 'model.safetensors.index.json')],
  ])('[E7] in the place of a %s is not waited for', async (_, path) => {
    await pipe(path());
    expect(await download()).toMatchObject({ status: 'complete' });
    expect((await readFile(repo('snapshots', commit, 'sub/model.gguf'))).equals(GGUF)).toBe(true);
    const { body } = await hive.api('GET', '/v2/models');
    expect(body['models']).toHaveLength(1);
    await hive.run({ operation: 'model_prune', dry_run: false });
  });

  it.each<[string, () => string]>([
    ['ref', () => repo('refs/main')],
    ['entry of the catalog', () => repo('.rbee/m-0123456789ab.json')],
  ])('[E7] in the place of a %s is not read', async (_, path) => {
    await file(path());
    await truncate(path(), 4 * 2 ** 30);
    expect(await download()).toMatchObject({ status: 'complete' });
    expect((await hive.api('GET', '/v2/models')).body['models']).toHaveLength(1);
  });
});
