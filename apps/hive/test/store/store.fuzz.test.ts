import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { modelIdOf } from '@rbee/contract';
import { answerLater, costlyRuns, hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCatalog } from '../../src/store/contents/catalog.ts';
import { COMMIT, openTestStore, PLACE, type TestStore } from './support.ts';

const REF = `hf:org/model@${COMMIT}::file=a.gguf`;
const ID = modelIdOf(REF);
const entry = {
  version: 1,
  model_id: ID,
  model_ref: REF,
  place: PLACE,
  revision: 'main',
  commit: COMMIT,
  files: [{ path: 'a.gguf', blob: '0'.repeat(64), bytes: 5, sha256: '0'.repeat(64) }],
  downloaded_at: '2026-01-01T00:00:00.000Z',
};

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await mkdir(dirname(store.layout.catalogFile(PLACE, ID)), { recursive: true });
});
afterAll(() => store.folder.remove());

describe('a file of the catalog', () => {
  it('with any content is one entry within the store, or one problem', async () => {
    const key = fc.constantFrom(...Object.keys(entry), '__proto__', 'more');
    const value = fc.oneof(
      hostileText(['..', '/', 'main', PLACE, COMMIT, '\0', '~', 'hf:']),
      fc.jsonValue(),
      fc.constant(entry.files),
    );
    const changed = fc.tuple(key, value).map(([name, other]) => JSON.stringify({ ...entry, [name]: other }));
    const files = fc.array(
      fc.record({
        path: hostileText(['a', '/', '..']),
        blob: hostileText(['0'.repeat(64), '..']),
        bytes: fc.integer(),
        sha256: fc.constant(null),
      }),
      { maxLength: 3 },
    );
    const others = files.map((list) => JSON.stringify({ ...entry, files: list }));
    const content = fc.oneof(
      changed,
      others,
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc.constant(JSON.stringify(entry)),
    );
    await fc.assert(
      fc.asyncProperty(content, async (text) => {
        await writeFile(store.layout.catalogFile(PLACE, ID), text);
        const read = await answerLater(() => readCatalog(store.layout, PLACE));
        if ('code' in read) throw new Error(`a damaged entry must be a problem, not ${read.code}`);
        const { entries, problems } = read.value;
        expect(entries.length + problems.length).toBe(1);
        for (const { model_id, files: listed } of entries) {
          expect(model_id).toBe(ID);
          for (const { path } of listed) expect(path.split('/')).not.toContain('..');
        }
        await store.store.list();
      }),
      costlyRuns(20),
    );
  });
});
