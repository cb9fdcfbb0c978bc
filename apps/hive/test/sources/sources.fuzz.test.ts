import { answerLater, answerOf, costlyRuns, hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { selectFiles } from '../../src/selection/select-files.ts';
import { jsonRows, MalformedRows } from '../../src/sources/http/json-rows.ts';
import type { HubApi } from '../../src/sources/hugging-face/hub-api.ts';
import { unexpectedResponse } from '../../src/sources/hugging-face/hub-error.ts';
import { readTree, readVersion } from '../../src/sources/hugging-face/hub-tree.ts';
import { assertBlobName, placeName, safeFileName } from '../../src/sources/names.ts';
import { fileNameOf } from '../../src/sources/web/content-disposition.ts';
import { createLayout } from '../../src/store/layout.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const PATHS = [
  'a.gguf',
  '/',
  '..',
  'weights',
  '-00001-of-00002',
  '.safetensors',
  'Q4_K_M',
  '.',
  '\\',
  '\0',
  ' ',
  'é',
  '\u202e',
  'CON',
  '.incomplete',
  '.index.json',
] as const;

describe('untrusted names', () => {
  it('become a file name that stays in its folder and is not reserved by the store, or nothing', () => {
    const said = hostileText([...PATHS, '%2e%2e%2f', '~', '$(x)', '`', '\r\n', ':', '*', '|', '﹒', '․', 'ﬁ']);
    fc.assert(
      fc.property(said, (text) => {
        const read = answerOf(() => safeFileName(text));
        if ('code' in read) return void expect(read.code).toBe('DOWNLOAD_FAILED');
        if (read.value === null) return;
        expect(read.value).not.toMatch(/[/\\\0-\x1f\x7f]|^\.|\.(?:incomplete|lock)$/i);
        expect(Buffer.byteLength(read.value)).toBeLessThanOrEqual(255);
        expect(placeName(text, text)).toMatch(/^[A-Za-z0-9][A-Za-z0-9.-]*--[0-9a-f]{12}$/);
      }),
    );
  });

  it('in a Content-Disposition are read, or ignored', () => {
    const words = [
      'attachment',
      ';',
      'filename',
      'filename*',
      '=',
      '"',
      "UTF-8''",
      "iso-8859-1'en'",
      '%C3%A9',
      '%',
      '\\',
      ' ',
      'a.gguf',
      ',',
      '\xff',
      '%00',
      '../',
    ] as const;
    fc.assert(
      fc.property(hostileText(words), (header) => {
        const name = fileNameOf(header);
        if (name !== null) answerOf(() => safeFileName(name));
      }),
    );
  });

  it('of a blob, a place and a path stay inside the store', () => {
    const layout = createLayout('/store/models');
    const text = hostileText([...PATHS, 'hf:', 'https:', 'org', '--', '~']);
    fc.assert(
      fc.property(text, text, text, (place, name, path) => {
        for (const make of [
          () => layout.blob(place, assertBlobName(name)),
          () => layout.ref(place, path),
          () => layout.snapshotFile(place, COMMIT, path),
          () => layout.partial(place, name),
        ]) {
          const read = answerOf(make);
          if ('code' in read) expect(read.code).toBe('DOWNLOAD_FAILED');
          else expect(read.value).toMatch(/^\/store\/models\/[^\0]+$/);
        }
        answerOf(() => layout.placeOfFolder(name));
      }),
    );
  });
});

describe('globs', () => {
  const words = ['*', '?', '[', ']', '!', '-', 'a', 'b', '/', '.gguf', '**', '{', '}', '\\', 'é', '😀'] as const;

  it('of a ref choose files of the tree only, each once', () => {
    const path = hostileText(PATHS).filter((text) => text !== '');
    const tree = fc.array(fc.record({ path, size: fc.nat() }), { maxLength: 12 });
    const globs = fc.array(hostileText(words), { maxLength: 3 });
    const wish = fc.record({
      files: fc.array(path, { maxLength: 2 }),
      include: globs,
      exclude: globs,
      quant: fc.constantFrom(null, 'Q4_K_M'),
    });
    fc.assert(
      fc.property(tree, wish, (files, wanted) => {
        const read = answerOf(() => selectFiles(files, wanted));
        if ('code' in read) return void expect(read.code).toBe('MODEL_NOT_FOUND');
        expect(read.value.length).toBeGreaterThan(0);
        if (wanted.files.length === 0) expect(new Set(read.value).size).toBe(read.value.length);
        for (const chosen of read.value) expect(files.map((file) => file.path)).toContain(chosen);
      }),
      costlyRuns(2),
    );
  });
});

describe('responses of a hub', () => {
  const endpoint = 'https://hub.example';
  const link = hostileText([
    '<',
    '>',
    '; rel="next"',
    '; rel=next',
    ',',
    endpoint,
    '/api/next',
    '//evil.example',
    'http:',
    '?cursor=1',
    ' ',
    '%',
    '"',
  ]);
  const entry = fc.record(
    {
      type: fc.constantFrom('file', 'directory', 'x'),
      path: hostileText(PATHS),
      oid: fc.constantFrom(COMMIT, 'x', 7),
      size: fc.oneof(fc.nat(), fc.constantFrom(-1, 1.5, 1e300, '7', null)),
      lfs: fc.option(
        fc.record({ oid: fc.constantFrom('0'.repeat(64), 'y'), size: fc.oneof(fc.nat(), fc.constant(-1)) }),
        { nil: undefined },
      ),
    },
    { requiredKeys: ['type', 'path'] },
  );
  const body = fc.oneof(
    { arbitrary: fc.array(entry, { maxLength: 4 }), weight: 4 },
    fc.jsonValue(),
    fc.constant(undefined),
  );

  it('are files with names that stay in the store, or one error, after a limited number of pages', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(body, fc.option(link, { nil: undefined })), { minLength: 1, maxLength: 4 }),
        async (pages) => {
          let asked = 0;
          const rows: HubApi['rows'] = async (url) => {
            expect(url.origin).toBe(endpoint);
            const [page, next] = pages[asked % pages.length] ?? [[], undefined];
            asked += 1;
            return { headers: next === undefined ? {} : { link: next }, batches: batchesOf(page) };
          };
          const api = { rows, json: async () => ({ sha: COMMIT }) };
          const read = await answerLater(() => readTree(api, endpoint, 'org/repo', COMMIT, null));
          expect(asked).toBeLessThanOrEqual(1_000);
          // A list that leads to ever new pages is final.
          const code = asked < 1_000 ? 'SOURCE_UNAVAILABLE' : 'MODEL_NOT_FOUND';
          if ('code' in read) return void expect(read.code).toBe(code);
          for (const { path, size, problem } of read.value) {
            if (problem === null) expect(path.split('/')).not.toContain('..');
            expect(Number.isSafeInteger(size) && (size ?? -1) >= 0).toBe(true);
          }
        },
      ),
      costlyRuns(2),
    );
  });

  it('name a commit, or are refused', async () => {
    const named = fc.oneof(fc.record({ sha: fc.oneof(fc.constant(COMMIT), fc.anything()) }), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(named, hostileText(PATHS), async (answer, revision) => {
        const api = { json: async () => answer, rows: async () => null };
        const read = await answerLater(() => readVersion(api, endpoint, 'o/r', revision.toWellFormed()));
        if ('code' in read) expect(read.code).toBe('SOURCE_UNAVAILABLE');
        else expect(read.value.commit).toMatch(/^[0-9a-f]{40}$/);
      }),
    );
  });

  it('in rows are the elements of the array, however the text is cut', async () => {
    const cuts = fc.array(fc.nat({ max: 200 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue(), { maxLength: 6 }), cuts, fc.boolean(), async (rows, at, isIndented) => {
        const text = Buffer.from(JSON.stringify(rows, null, isIndented ? 2 : undefined));
        expect(await rowsOf(cut(text, at))).toEqual(JSON.parse(text.toString()));
      }),
      costlyRuns(2),
    );
  });

  it('that are no array are refused as JSON.parse refuses them', async () => {
    const pieces = ['[', ']', '{', '}', '"', '\\', ',', ':', '1', 'null', ' ', '\n', '"a"', 'é', '\ufeff'] as const;
    await fc.assert(
      fc.asyncProperty(hostileText(pieces), fc.array(fc.nat({ max: 20 })), async (text, at) => {
        const read = await rowsOf(cut(Buffer.from(text), at));
        const parsed = arrayIn(text.replace(/^\ufeff/, ''));
        if (parsed === null || read === null) expect([read, parsed]).toEqual([null, null]);
        else expect(read).toEqual(parsed);
      }),
      {
        ...costlyRuns(2),
        examples: [
          ['[]\ufeff', []],
          ['\ufeff[\u00a0]', []],
          ['\u2003[]', []],
        ],
      },
    );
  });
});

async function* cut(text: Buffer, cuts: readonly number[]) {
  const at = [0, ...cuts.filter((place) => place < text.length).sort((a, b) => a - b), text.length];
  for (const [index, from] of at.entries()) yield text.subarray(from, at[index + 1] ?? text.length);
}

async function rowsOf(chunks: AsyncIterable<Buffer>): Promise<unknown[] | null> {
  const all: unknown[] = [];
  try {
    for await (const rows of jsonRows(chunks)) all.push(...rows);
    return all;
  } catch (error) {
    if (error instanceof MalformedRows) return null;
    throw error;
  }
}

function arrayIn(text: string): unknown[] | null {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

async function* batchesOf(page: unknown) {
  const text = Buffer.from(JSON.stringify(page) ?? '');
  const rows = await rowsOf(cut(text, []));
  if (rows === null) throw unexpectedResponse('no list');
  yield { rows, bytes: text.length };
}
