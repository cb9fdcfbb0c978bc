import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { modelIdOf } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMMIT, OTHER_COMMIT, openTestStore, PLACE, sha256Of, type TestStore } from '../support.ts';

let test: TestStore;
beforeEach(async () => {
  test = await openTestStore();
});
afterEach(() => test.folder.remove());

async function put(path: string, hours: number, content = 'old'): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await test.age(path, hours);
  return path;
}

const journalPathOf = (partial: string) => partial.replace(/partial$/, 'journal');
const inBlobs = (name: string) => join(test.layout.blobsFolder(PLACE), name);

async function pruned(options: Parameters<TestStore['prune']>[0] = {}) {
  const result = await test.prune(options);
  expect(result.freed_bytes).toBe(result.removed.reduce((sum, { bytes }) => sum + bytes, 0));
  return result.removed.map(({ kind, path }) => [kind, path]);
}

describe('pruning', () => {
  it('removes old partials with their journals, of ours and of other tools; recent ones stay', async () => {
    const ours = await put(test.layout.partial(PLACE, 'a'.repeat(64)), 25);
    const journal = await put(journalPathOf(ours), 25);
    const theirs = await put(inBlobs(`${'b'.repeat(64)}.incomplete`), 25);
    const orphan = await put(journalPathOf(test.layout.partial(PLACE, 'c'.repeat(64))), 25);
    const young = await put(test.layout.partial(PLACE, 'd'.repeat(64)), 25);
    const youngJournal = await put(journalPathOf(young), 23);
    expect((await pruned()).sort()).toEqual(
      [
        ['partial', ours],
        ['partial', theirs],
        ['partial', orphan],
      ].sort(),
    );
    expect((await readdir(dirname(ours))).map(inBlobs).sort()).toEqual([young, youngJournal].sort());
    expect(journal).not.toBe(youngJournal);
  });

  it('lists with a dry run what would be removed, and removes nothing', async () => {
    const partial = await put(test.layout.partial(PLACE, 'a'.repeat(64)), 25);
    await put(journalPathOf(partial), 25, 'journal');
    const dry = await test.prune({ dryRun: true });
    expect(dry).toEqual({
      dry_run: true,
      removed: [{ path: partial, kind: 'partial', bytes: 10, modified_at: expect.any(String) }],
      freed_bytes: 10,
      kept: [],
    });
    expect(await readdir(dirname(partial))).toHaveLength(2);
    expect(await test.prune()).toEqual({ ...dry, dry_run: false });
    expect(await readdir(test.layout.modelsDir)).toEqual([]);
  });

  describe('of partials alone', () => {
    let ours: string;
    let theirs: string;
    let blob: string;
    beforeEach(async () => {
      ours = await put(test.layout.partial(PLACE, 'a'.repeat(64)), 1);
      theirs = await put(inBlobs(`${'b'.repeat(64)}.incomplete`), 1);
      blob = await put(inBlobs('c'.repeat(64)), 25);
    });

    it('[K3] a usual prune says which recent partials stay', async () => {
      const { removed, kept } = await test.prune();
      expect(removed).toMatchObject([{ kind: 'blob', path: blob }]);
      const stays = (kept ?? []).map(({ path, reason }) => [path, reason]);
      expect(stays.sort()).toEqual([ours, theirs].map((path) => [path, 'recent']).sort());
    });

    it('[K3] removes ours at any age, and leaves what another tool may be writing', async () => {
      const { removed, kept } = await test.prune({ isOnlyPartials: true });
      expect(removed.map(({ path }) => path)).toEqual([ours]);
      expect(kept).toMatchObject([{ path: theirs, reason: 'recent' }]);
      expect((await readdir(dirname(blob))).map(inBlobs)).toContain(blob);
    });

    it('[K3] removes partials of other tools too beyond an age that is given', async () => {
      const { removed } = await test.prune({ isOnlyPartials: true, minAgeMs: 1_800_000 });
      expect(removed.map(({ path }) => path).sort()).toEqual([ours, theirs].sort());
      expect((await test.prune({ minAgeMs: 0 })).removed).toMatchObject([{ path: blob }]);
    });

    it('[K3] removes the ones that are named, and nothing else', async () => {
      const outside = await put(`${test.folder.path}/outside.rbee-partial`, 30);
      const { removed } = await test.prune({ paths: [theirs, blob, outside] });
      expect(removed.map(({ path }) => path)).toEqual([theirs]);
    });

    it('[K3] keeps partials that a download may need, and says so', async () => {
      const { removed, kept } = await test.prune({ isOnlyPartials: true, paths: [ours], isWanted: () => true });
      expect({ removed, kept }).toMatchObject({ removed: [], kept: [{ path: ours, reason: 'in_use' }] });
    });
  });

  it('[G3] removes what older versions left under names in .incomplete', async () => {
    const blob = inBlobs('a'.repeat(64));
    const partial = await put(`${blob}.rbee.incomplete`, 25);
    await put(`${blob}.rbee.journal.incomplete`, 25);
    await put(`${blob}.rbee.journal-live.incomplete`, 25);
    const damaged = await put(`${blob}.damaged.incomplete`, 0);
    expect((await pruned()).sort()).toEqual([
      ['damaged', damaged],
      ['partial', partial],
    ]);
    expect(await readdir(test.layout.modelsDir)).toEqual([]);
  });

  it('removes old blobs without a link, and damaged ones of any age', async () => {
    await test.download([{ path: 'a.gguf', content: 'used' }]);
    await test.age(test.layout.blob(PLACE, sha256Of('used')), 100);
    const old = await put(inBlobs(sha256Of('unused')), 25);
    const young = await put(inBlobs(sha256Of('young')), 23);
    const damaged = await put(test.layout.damaged(PLACE, sha256Of('x')), 0);
    expect((await pruned()).sort()).toEqual([
      ['blob', old],
      ['damaged', damaged],
    ]);
    expect((await readdir(dirname(old))).map(inBlobs)).toContain(young);
    expect((await test.store.list()).models).toHaveLength(1);
  });

  it('removes broken links, with the refs and folders that are empty then', async () => {
    await test.download([{ path: 'deep/a.gguf', content: 'a' }]);
    await rm(inBlobs(sha256Of('a')));
    const link = test.layout.snapshotFile(PLACE, COMMIT, 'deep/a.gguf');
    const entry = test.layout.catalogFile(PLACE, modelIdOf(`hf:org/model@${COMMIT}::file=deep/a.gguf`));
    await test.age(entry, 25);
    expect((await pruned()).sort()).toEqual([
      ['link', entry],
      ['link', link],
    ]);
    expect(await readdir(test.layout.modelsDir)).toEqual([]);
  });

  it('removes old unfinished links, refs and entries, and old entries of models without files', async () => {
    await test.download([{ path: 'a.gguf', content: 'a' }]);
    const link = `${test.layout.snapshotFile(PLACE, COMMIT, 'b.gguf')}.x.incomplete`;
    const ref = `${test.layout.ref(PLACE, 'main')}.x.incomplete`;
    const dangling = test.layout.ref(PLACE, 'gone');
    const entry = join(test.layout.catalogFolder(PLACE), 'x.incomplete');
    for (const path of [link, ref, entry]) await put(path, 25);
    await put(dangling, 25, 'b'.repeat(40));
    await put(test.layout.ref(PLACE, 'beginning'), 1, 'b'.repeat(40));
    const kinds = await pruned();
    expect(kinds.map(([, path]) => path).sort()).toEqual([link, ref, entry, dangling].sort());
    expect((await readdir(test.layout.refsFolder(PLACE))).sort()).toEqual(['beginning', 'main']);

    await rm(test.layout.blobsFolder(PLACE), { recursive: true });
    await rm(test.layout.snapshotsFolder(PLACE), { recursive: true });
    await rm(test.layout.refsFolder(PLACE), { recursive: true });
    const own = test.layout.catalogFile(PLACE, modelIdOf(`hf:org/model@${COMMIT}::file=a.gguf`));
    expect(await pruned()).toEqual([]);
    await test.age(own, 25);
    expect(await pruned()).toEqual([['link', own]]);
    expect(await test.store.list()).toEqual({ models: [], partials: [], problems: [] });
  });

  it('removes older versions of a tag or a URL, but not while an entry cannot be read', async () => {
    const place = 'ollama:library-x';
    const put = async (content: string, commit: string) => {
      const blobName = await test.putBlob(content, { place });
      await test.age(test.layout.blob(place, blobName), 100);
      const files = [{ path: 'x.gguf', blobName, sha256: blobName }];
      await test.store.publish({ place, revision: 'latest', commit, modelRef: 'ollama:x', files });
    };
    await put('older', COMMIT);
    await put('newer', OTHER_COMMIT);
    expect(await pruned()).toEqual([]);
    test.clock.advance(25 * 3_600_000);
    const damaged = join(test.layout.catalogFolder(place), 'm-000000000000.json');
    await writeFile(damaged, 'damaged');
    expect(await pruned()).toEqual([]);
    await rm(damaged);
    expect(await pruned()).toEqual([
      ['link', test.layout.snapshotFile(place, COMMIT, 'x.gguf')],
      ['blob', test.layout.blob(place, sha256Of('older'))],
    ]);
    expect((await test.store.list()).models).toMatchObject([{ model_ref: 'ollama:x', bytes: 5 }]);
    expect(await readdir(test.layout.snapshotsFolder(place))).toEqual([OTHER_COMMIT]);
  });

  it('leaves alone a place that a download needs or uses', async () => {
    const partial = await put(test.layout.partial(PLACE, 'a'.repeat(64)), 25);
    const other = await put(test.layout.partial('https:abc', 'b'.repeat(64)), 25);
    expect(await pruned({ isWanted: (place) => place === PLACE })).toEqual([['partial', other]]);
    const release = await test.store.acquirePlace(PLACE, new AbortController().signal);
    expect(await pruned()).toEqual([]);
    release();
    expect(await pruned()).toEqual([['partial', partial]]);
  });

  it('leaves the entry of a model that is being downloaded again, even before its first file is there', async () => {
    await test.download([{ path: 'a.gguf', content: 'a' }]);
    const entry = test.layout.catalogFile(PLACE, modelIdOf(`hf:org/model@${COMMIT}::file=a.gguf`));
    await test.age(entry, 25);
    await rm(inBlobs(sha256Of('a')));
    await rm(test.layout.snapshotFile(PLACE, COMMIT, 'a.gguf'));
    const release = await test.store.acquirePlace(PLACE, new AbortController().signal);
    expect(await pruned()).toEqual([]);
    release();
    expect(await pruned({ isWanted: () => true })).toEqual([]);
    expect(await pruned()).toEqual([['link', entry]]);
  });

  it('never leaves the store, nor enters other folders of the cache', async () => {
    const outside = join(test.folder.path, 'outside');
    await put(join(outside, 'x.incomplete'), 100);
    await put(join(test.layout.modelsDir, 'datasets--org--data', 'blobs', 'x.incomplete'), 100);
    await put(join(test.layout.modelsDir, '.locks', 'x.incomplete'), 100);
    await mkdir(test.layout.snapshotFolder(PLACE, COMMIT), { recursive: true });
    await symlink(outside, test.layout.blobsFolder(PLACE));
    await symlink(outside, join(test.layout.modelsDir, 'models--org--linked'));
    await symlink(join(outside, 'gone'), test.layout.snapshotFile(PLACE, COMMIT, 'elsewhere.gguf'));
    await symlink(outside, test.layout.snapshotFile(PLACE, COMMIT, 'folder'));
    expect(await pruned()).toEqual([]);
    expect(await readdir(outside)).toEqual(['x.incomplete']);
  });

  it('stops when it is cancelled', async () => {
    await put(test.layout.partial(PLACE, 'a'.repeat(64)), 25);
    const reason = new Error('cancelled');
    const signal = AbortSignal.abort(reason);
    const running = test.store.prune({ dryRun: false, isWanted: () => false, signal, onRemoved: () => {} });
    await expect(running).rejects.toBe(reason);
    expect(await readdir(test.layout.blobsFolder(PLACE))).toHaveLength(1);
  });
});
