import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { scanCacheDir } from '@huggingface/hub';
import { modelIdOf } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMMIT, createFailingDisk, openTestStore, PLACE, sha256Of, type TestStore } from './support.ts';

// Goal: what older versions kept beside the models folder is in it after a start, whatever stops that start. Method: the
// folders as version 0.1 left them.

const OWN = 'https:host-abc';
const OWN_REF = 'https://host/abc.gguf';
const HUB_REF = `hf:org/model@${COMMIT}::file=a.bin`;

let test: TestStore;
beforeEach(async () => {
  test = await openTestStore();
});
afterEach(() => test.folder.remove());

const old = (...parts: string[]) => join(test.folder.path, 'rbee', ...parts);

async function put(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

const entryOf = (model_ref: string, place: string, path: string, content: string) => ({
  version: 1,
  model_id: modelIdOf(model_ref),
  ...{ model_ref, place, revision: COMMIT, commit: COMMIT },
  files: [{ path, blob: sha256Of(content), bytes: content.length, sha256: sha256Of(content) }],
  downloaded_at: '2026-01-01T00:00:00.000Z',
});

const putEntry = (model_ref: string, place: string, path: string, content: string) =>
  put(old('catalog', 'hub', `${modelIdOf(model_ref)}.json`), JSON.stringify(entryOf(model_ref, place, path, content)));

/** A model from a web server and one of a hub, as the older version left them. */
async function putOld(): Promise<void> {
  const place = old('https', 'hub', 'host-abc');
  await put(join(place, 'blobs', sha256Of('web')), 'web');
  await mkdir(join(place, 'snapshots', COMMIT), { recursive: true });
  await symlink(`../../blobs/${sha256Of('web')}`, join(place, 'snapshots', COMMIT, 'abc.gguf'));
  await mkdir(join(place, 'refs'));
  await put(join(place, 'blobs', `${sha256Of('other')}.rbee.incomplete`), 'oth');
  await putEntry(OWN_REF, OWN, 'abc.gguf', 'web');
  await test.putByHand([{ path: 'a.bin', content: 'hub' }]);
  await mkdir(test.layout.refsFolder(PLACE));
  await putEntry(HUB_REF, PLACE, 'a.bin', 'hub');
}

const refs = async () => (await test.store.list()).models.map(({ model_ref }) => model_ref).sort();

describe('a store of an older version', () => {
  it('[E2] is moved into the models folder, with its partials, and nothing remains beside it', async () => {
    await putOld();
    expect(await test.store.migrate()).toEqual({ moved: 3, linked: [], left: [] });
    expect(await refs()).toEqual([HUB_REF, OWN_REF].sort());
    expect((await test.store.list()).partials).toHaveLength(1);
    expect(await readdir(test.folder.path)).toEqual(['hub']);
    expect((await scanCacheDir(test.layout.modelsDir)).warnings).toEqual([]);
  });

  it('[E2] is moved once', async () => {
    await putOld();
    await test.store.migrate();
    expect(await test.store.migrate()).toEqual({ moved: 0, linked: [], left: [] });
    expect(await refs()).toHaveLength(2);
  });

  it('[E2] is moved in full after a start that stopped anywhere', async () => {
    await putOld();
    for (let changes = 0; ; changes += 1) {
      const { disk, hasFailed } = createFailingDisk(changes);
      await (await test.reopen(disk)).migrate().catch(() => {});
      if (!hasFailed()) break;
      expect(changes).toBeLessThan(50);
    }
    expect(await refs()).toHaveLength(2);
    expect(await readdir(test.folder.path)).toEqual(['hub']);
  });

  it('[E2] that was moved in part is merged, and nothing newer is overwritten', async () => {
    await putOld();
    const blob = test.layout.blob(OWN, sha256Of('web'));
    await mkdir(dirname(blob), { recursive: true });
    await rename(old('https', 'hub', 'host-abc', 'blobs', sha256Of('web')), blob);
    await put(test.layout.ref(OWN, 'latest'), 'new');
    await put(old('https', 'hub', 'host-abc', 'refs', 'latest'), 'old');
    await test.store.migrate();
    expect(await refs()).toHaveLength(2);
    expect(await readFile(test.layout.ref(OWN, 'latest'), 'utf8')).toBe('new');
  });

  it('[E2] leaves alone what is not of a hive, and says so of a damaged entry', async () => {
    await put(old('https', 'hub', '.DS_Store'), 'x');
    await put(old('https', 'other-store', 'host-abc', 'blobs', 'x'), 'x');
    const damaged = old('catalog', 'hub', 'm-000000000000.json');
    await put(damaged, 'not JSON');
    const { moved, left } = await test.store.migrate();
    expect([moved, left]).toMatchObject([0, [{ path: damaged, reason: /not JSON/ }]]);
    expect((await readdir(old('https'))).sort()).toEqual(['hub', 'other-store']);
  });

  it('[E2] drops the entry of a model whose repo is gone', async () => {
    await putEntry(HUB_REF, PLACE, 'a.bin', 'hub');
    await test.store.migrate();
    expect(await readdir(test.layout.modelsDir)).toEqual([]);
    expect(await readdir(test.folder.path)).toEqual(['hub']);
  });

  it('[E2] has nothing to move where there is nothing', async () => {
    expect(await test.store.migrate()).toEqual({ moved: 0, linked: [], left: [] });
  });
});
