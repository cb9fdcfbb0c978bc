import { rm, writeFile } from 'node:fs/promises';
import type { Model } from '@rbee/contract';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { readPlace } from '../../src/store/contents/read-place.ts';
import { COMMIT, OTHER_COMMIT, openTestStore, PLACE, sha256Of, type TestFile, type TestStore } from './support.ts';

// Goal: no removal and no prune takes a byte from a model that remains. Method: stores of models that overlap in all ways
// (same file, same blob under another name, another commit, in the catalog or not), with unused files of any age between
// them; then removals and prunes in any order. After each, every model that was listed, except the removed one, is listed
// as before and can be read to its last byte.

let test: TestStore | null = null;
afterEach(async () => {
  await test?.folder.remove();
  test = null;
});

// Few names and few contents, so that they collide.
const fileOf: fc.Arbitrary<TestFile> = fc.record({
  path: fc.constantFrom('a.gguf', 'b.gguf', 'c.bin', 'config.json', 'model.safetensors', 'deep/d.gguf'),
  content: fc.constantFrom('one', 'two', 'three'),
});
const filesOf = fc.uniqueArray(fileOf, { minLength: 1, maxLength: 4, selector: ({ path }) => path });
const commitOf = fc.constantFrom(COMMIT, OTHER_COMMIT);
const stepOf = fc.oneof(
  fc.record({ do: fc.constant('download' as const), files: filesOf, commit: commitOf }),
  fc.record({ do: fc.constant('by hand' as const), files: filesOf, commit: commitOf }),
  fc.record({
    do: fc.constant('rubbish' as const),
    name: fc.constantFrom('x', 'y.incomplete', 'z.damaged.incomplete'),
  }),
  fc.record({ do: fc.constant('lose a blob' as const), content: fc.constantFrom('one', 'two', 'three') }),
  fc.record({ do: fc.constant('remove' as const), which: fc.nat(10) }),
  fc.record({ do: fc.constant('prune' as const) }),
);
type Step = typeof stepOf extends fc.Arbitrary<infer T> ? T : never;

describe('removals and prunes in any order', () => {
  it('never take a byte from a model that remains', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepOf, { minLength: 3, maxLength: 12 }), async (steps) => {
        test = await openTestStore();
        try {
          for (const step of steps) await take(test, step);
        } finally {
          await test.folder.remove();
        }
      }),
      { numRuns: 60, seed: 20260301, endOnFailure: true },
    );
  });
});

async function take(store: TestStore, step: Step): Promise<void> {
  const before = (await store.store.list()).models;
  switch (step.do) {
    case 'download':
      // A commit has one content for each path: an existing one stays.
      await store.download(await consistent(store, step.files, step.commit), { commit: step.commit });
      return;
    case 'by hand':
      await store.putByHand(await fresh(store, step.files, step.commit), { commit: step.commit });
      return;
    case 'rubbish':
      await store.putBlob('rubbish');
      await writeFile(`${store.layout.blobsFolder(PLACE)}/${step.name}`, 'rubbish');
      await store.age(`${store.layout.blobsFolder(PLACE)}/${step.name}`, 30);
      return;
    case 'lose a blob':
      await rm(store.layout.blob(PLACE, sha256Of(step.content)), { force: true });
      return;
    case 'remove': {
      const model = before[step.which % Math.max(1, before.length)];
      if (model === undefined) return;
      await store.store.remove(model.model_id);
      await expectAllOf(
        store,
        before.filter(({ model_id }) => model_id !== model.model_id),
      );
      return;
    }
    case 'prune':
      // Everything is old, so that age protects nothing.
      store.clock.advance(48 * 3_600_000);
      await store.prune();
      await expectAllOf(store, before);
  }
}

async function expectAllOf(store: TestStore, models: readonly Model[]): Promise<void> {
  const after = new Map((await store.store.list()).models.map((model) => [model.model_id, model]));
  for (const model of models) {
    expect(after.get(model.model_id)).toEqual(model);
    const stored = await store.store.find(model.model_id);
    const options = { signal: new AbortController().signal, onFile: () => {}, known: new Map() };
    expect((await store.store.verify(stored, options)).problems).toEqual([]);
  }
}

async function contentsAt(store: TestStore, commit: string): Promise<Map<string, string>> {
  const names = (await readPlace(store.layout, PLACE)).snapshots.get(commit) ?? [];
  const contents = ['one', 'two', 'three'];
  return new Map(
    names.map(({ path, blobName }) => [path, contents.find((content) => sha256Of(content) === blobName) ?? 'one']),
  );
}

async function consistent(store: TestStore, files: readonly TestFile[], commit: string): Promise<TestFile[]> {
  const there = await contentsAt(store, commit);
  return files.map((file) => ({ ...file, content: there.get(file.path) ?? file.content }));
}

async function fresh(store: TestStore, files: readonly TestFile[], commit: string): Promise<TestFile[]> {
  const there = await contentsAt(store, commit);
  return files.filter(({ path }) => !there.has(path));
}
