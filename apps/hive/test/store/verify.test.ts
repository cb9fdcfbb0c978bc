import { open, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { modelIdOf } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredModel } from '../../src/store/contents/stored-model.ts';
import { realDisk } from '../../src/store/disk.ts';
import { PlaceLocks } from '../../src/store/place-locks.ts';
import { verifyModel } from '../../src/store/verify.ts';
import { COMMIT, gitSha1Of, openTestStore, PLACE, sha256Of, type TestStore } from './support.ts';

const LARGE = 'weights '.repeat(500_000);
const FILES = [
  { path: 'large.bin', content: LARGE },
  { path: 'config.json', content: '{"a":1}', isGit: true },
];
const REF = `hf:org/model@${COMMIT}`;

let test: TestStore;
let model: StoredModel;
beforeEach(async () => {
  test = await openTestStore();
  await test.download(FILES, { modelRef: REF });
  model = await test.store.find(modelIdOf(REF));
});
afterEach(() => test.folder.remove());

const verify = (signal = new AbortController().signal) =>
  test.store.verify(model, { signal, onFile: () => {}, known: new Map() });

const hasBlob = async (blobName: string) => {
  const wanted = { path: 'none', blobName, size: null, sha256: null, gitSha1: null };
  return (await test.store.findFile(PLACE, COMMIT, wanted)) !== null;
};

async function flipBit(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte.writeUInt8(byte.readUInt8(0) ^ 1);
  await file.write(byte, 0, 1, at);
  await file.close();
}

describe('verifying a model', () => {
  it('reads every byte of it and finds nothing wrong', async () => {
    expect(await verify()).toEqual({
      model_id: model.id,
      model_ref: REF,
      ok: true,
      files: 2,
      bytes: LARGE.length + 7,
      problems: [],
    });
  });

  it.each([
    ['a file named by its sha256', 'large.bin', sha256Of(LARGE)],
    ['a file named by its git sha1', 'config.json', gitSha1Of('{"a":1}')],
  ])('finds one flipped bit in %s, and puts the blob aside', async (_, path, blobName) => {
    await flipBit(test.layout.blob(PLACE, blobName), 3);
    const verified = await verify();
    expect(verified).toMatchObject({ ok: false, problems: [{ path, code: 'CHECKSUM_MISMATCH' }] });
    expect(verified.problems[0]?.message).toMatch(/moved aside.*next download/);
    expect(await readdir(test.layout.blobsFolder(PLACE))).toContain(`${blobName}.rbee-damaged`);
    const { models, problems } = await test.store.list();
    expect([models, problems.length]).toEqual([[], 1]);
    expect(await hasBlob(blobName)).toBe(false);

    await test.download(FILES, { modelRef: REF });
    expect(await verify()).toMatchObject({ ok: true });
    expect((await test.store.list()).models).toHaveLength(1);
  });

  it('leaves alone a blob that a download has put in place of the damaged one', async () => {
    const blob = test.layout.blob(PLACE, sha256Of(LARGE));
    await truncate(blob, 10);
    const locks = new PlaceLocks();
    const exclude = locks.acquireExclusive.bind(locks);
    locks.acquireExclusive = async (place) => {
      await writeFile(`${blob}.rbee-partial`, LARGE);
      await rename(`${blob}.rbee-partial`, blob);
      return exclude(place);
    };
    const { signal } = new AbortController();
    const verified = await verifyModel({ layout: test.layout, disk: realDisk, locks }, model, {
      signal,
      onFile: () => {},
      known: new Map(),
    });
    expect(verified.problems[0]?.message).toContain('fetched again since');
    expect(await verify()).toMatchObject({ ok: true });
  });

  it('finds files that are missing or too short', async () => {
    await rm(test.layout.snapshotFile(PLACE, COMMIT, 'config.json'));
    await truncate(test.layout.blob(PLACE, sha256Of(LARGE)), 10);
    expect(await verify()).toMatchObject({
      ok: false,
      problems: [
        { path: 'large.bin', code: 'CHECKSUM_MISMATCH', message: expect.stringContaining('has 10 bytes') },
        { path: 'config.json', code: 'MODEL_NOT_FOUND' },
      ],
    });
  });

  it('[G2] compares a copy that a tool wrote over the link', async () => {
    const path = test.layout.snapshotFile(PLACE, COMMIT, 'config.json');
    await rm(path);
    await writeFile(path, '{"a":2}');
    expect(await verify()).toMatchObject({ problems: [{ path: 'config.json', code: 'CHECKSUM_MISMATCH' }] });
    expect((await test.store.list()).models).toEqual([]);
  });

  it('reads a file that several models share once, and reports it for each', async () => {
    await flipBit(test.layout.blob(PLACE, sha256Of(LARGE)), 0);
    await test.download(FILES.slice(1));
    const known = new Map();
    const read: string[] = [];
    const options = { signal: new AbortController().signal, onFile: (path: string) => read.push(path), known };
    const first = await test.store.verify(model, options);
    for (const each of await test.store.models()) await test.store.verify(each, options);
    expect(first.problems).toHaveLength(1);
    expect(read).toEqual(['large.bin', 'config.json']);
  });

  it('leaves a damaged file in place while a download uses it', async () => {
    await flipBit(test.layout.blob(PLACE, sha256Of(LARGE)), 0);
    const release = await test.store.acquirePlace(PLACE, new AbortController().signal);
    expect((await verify()).problems[0]?.message).toMatch(/verify again/);
    expect(await hasBlob(sha256Of(LARGE))).toBe(true);
    release();
  });

  it('[J2] stops when it is cancelled, and releases the place', async () => {
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const running = test.store.verify(model, {
      signal: controller.signal,
      onFile: () => queueMicrotask(() => controller.abort(reason)),
      known: new Map(),
    });
    await expect(running).rejects.toBe(reason);
    expect((await test.store.list()).models).toHaveLength(1);
    await test.store.remove(model.id);
  });
});
