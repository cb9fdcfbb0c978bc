import { scanCacheDir } from '@huggingface/hub';
import { modelIdOf } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { COMMIT, createFailingDisk, OTHER_COMMIT, openTestStore, type TestStore } from './support.ts';

// Goal: whenever a process dies, nothing is listed without its bytes, and the operation can be repeated. Method: the disk
// stops working after 0, 1, 2, … changes; then the folder is read as the next start of a hive does, and by an independent
// reader.

const FILES = [
  { path: 'deep/a.gguf', content: 'weights' },
  { path: 'config.json', content: '{}', isGit: true },
];
const OTHER = [{ path: 'a.gguf', content: 'weights' }];
const REF = `hf:org/model@${COMMIT}`;
const OTHER_REF = `hf:org/model@${OTHER_COMMIT}::file=a.gguf`;
const MAX_CHANGES = 200;

let test: TestStore;
beforeEach(async () => {
  test = await openTestStore();
});
afterEach(() => test.folder.remove());

/** What is listed must be readable to its last byte; the answer is the refs. */
async function soundRefs(store: Store): Promise<string[]> {
  const signal = new AbortController().signal;
  const { models } = await store.list();
  for (const { model_id } of models) {
    const verified = await store.verify(await store.find(model_id), { signal, onFile: () => {}, known: new Map() });
    expect(verified.problems).toEqual([]);
  }
  return models.map(({ model_ref }) => model_ref).sort();
}

async function scannersComplain(): Promise<boolean> {
  return (await scanCacheDir(test.layout.modelsDir)).warnings.length > 0;
}

describe('a crash', () => {
  it('while a model is published leaves it completely listed or not at all', async () => {
    let states = 0;
    for (let changes = 0; changes < MAX_CHANGES; changes += 1) {
      const { disk, hasFailed } = createFailingDisk(changes);
      const store = await test.reopen(disk);
      await test.download(FILES, { modelRef: REF, store }).catch(() => {});
      const next = await test.reopen();
      const refs = await soundRefs(next);
      if (!hasFailed()) {
        expect(refs).toEqual([REF]);
        break;
      }
      states += 1;
      // The GGUF file is listed once its link exists, the model once it is in the catalog.
      expect([[], [`${REF}::file=deep/a.gguf`], [REF]]).toContainEqual(refs);
      await test.download(FILES, { modelRef: REF, store: next });
      expect(await soundRefs(next)).toEqual([REF]);
      expect(await scannersComplain()).toBe(false);
      await next.remove(modelIdOf(REF));
    }
    expect(states).toBeGreaterThan(5);
  });

  it('while a model is removed leaves nothing listed without its bytes, and the others complete', async () => {
    let states = 0;
    for (let changes = 0; changes < MAX_CHANGES; changes += 1) {
      await test.download(FILES, { modelRef: REF });
      await test.download(OTHER, { modelRef: OTHER_REF, commit: OTHER_COMMIT, revision: 'v2' });
      const { disk, hasFailed } = createFailingDisk(changes);
      const store = await test.reopen(disk);
      await store.remove(modelIdOf(REF)).catch(() => {});
      const next = await test.reopen();
      const refs = await soundRefs(next);
      expect(refs).toContain(OTHER_REF);
      expect(await scannersComplain()).toBe(false);
      if (!hasFailed()) {
        expect(refs).toEqual([OTHER_REF]);
        break;
      }
      states += 1;
    }
    expect(states).toBeGreaterThan(5);
  });

  it('while the last model of a repo is removed does not break the repo for scanners', async () => {
    for (let changes = 0; changes < MAX_CHANGES; changes += 1) {
      await test.download(FILES, { modelRef: REF });
      const { disk, hasFailed } = createFailingDisk(changes);
      await (await test.reopen(disk)).remove(modelIdOf(REF)).catch(() => {});
      await soundRefs(await test.reopen());
      const { warnings } = await scanCacheDir(test.layout.modelsDir);
      // The last steps only remove empty folders.
      for (const { message } of warnings) expect(message).toMatch(/ENOENT.*(?:snapshots|refs)/);
      if (!hasFailed()) return;
    }
    throw new Error('the removal has no end');
  });
});
