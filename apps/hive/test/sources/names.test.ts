import { assertRepoPath } from '@rbee/contract';
import { NASTY_NAMES } from '@rbee/testing';
import { describe, expect, it } from 'vitest';
import { assertBlobName, placeName, safeFileName, versionBlobName, versionOf } from '../../src/sources/names.ts';
import { createLayout } from '../../src/store/layout.ts';

const layout = createLayout('/store/hub');
const COMMIT = 'a'.repeat(40);

describe('an untrusted name', () => {
  it.each(NASTY_NAMES)('becomes one safe part of a path, or nothing: $trick, $shown', ({ name }) => {
    const safe = safeFileName(name);
    if (safe === null) {
      expect(name.split(/[/\\]/).at(-1)).not.toMatch(/[a-z]/i);
      return;
    }
    expect(assertRepoPath(safe, 'DOWNLOAD_FAILED')).toBe(safe);
    expect(safe).not.toMatch(/[/\\:\p{C}]|\.\.|^[.\s-]|[.\s]$/u);
    expect(safe).not.toMatch(/^(?:con|nul|aux|com\d|lpt\d)(?:\.|$)|\.incomplete$|\.lock$/i);
    expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(200);
    expect(layout.snapshotFile('https:x', COMMIT, safe)).toBe(
      `/store/hub/models--rbee.https--x/snapshots/${COMMIT}/${safe}`,
    );
  });

  it.each([
    ['model-Q4_K_M.gguf', 'model-Q4_K_M.gguf'],
    ['naïve model (1).gguf', 'naïve model (1).gguf'],
    ['モデル.gguf', 'モデル.gguf'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\models\\x.gguf', 'x.gguf'],
    ['..gguf', 'gguf'],
    ['a"b<c>.gguf', 'a_b_c_.gguf'],
    ['nul.gguf', '_nul.gguf'],
    ['x.gguf.incomplete', 'x.gguf_incomplete'],
    ['x.gguf.rbee-partial', 'x.gguf_rbee-partial'],
    [`${'n'.repeat(300)}.gguf`, `${'n'.repeat(195)}.gguf`],
    [`${'é'.repeat(300)}.gguf`, `${'é'.repeat(97)}.gguf`],
    ['..', null],
    ['', null],
    ['???', null],
  ])('%s becomes %s', (said, safe) => expect(safeFileName(said)).toBe(safe));
});

describe('the name of a place', () => {
  it.each(NASTY_NAMES)('is accepted by the store: $trick, $shown', ({ name }) => {
    expect(layout.placeFolder(`https:${placeName(name, name)}`)).toMatch(
      /^\/store\/hub\/models--rbee\.https--[A-Za-z0-9][^/]*$/,
    );
  });

  it('differs for two that read the same', () => {
    expect(placeName('a.example', 'https://a.example/1')).not.toBe(placeName('a.example', 'https://a.example/2'));
    expect(placeName('a.example:8080', 'x')).toMatch(/^a\.example-8080--[0-9a-f]{12}$/);
  });
});

describe("a blob's name", () => {
  it.each(NASTY_NAMES)('is refused or one part of a path: $trick, $shown', ({ name }) => {
    let taken: string;
    try {
      taken = assertBlobName(name);
    } catch (error) {
      expect(error).toMatchObject({ code: 'DOWNLOAD_FAILED' });
      expect(String(error)).not.toContain(name.trim() === '' ? '\0' : name);
      return;
    }
    expect(layout.blob('hf:org/model', taken)).toBe(`/store/hub/models--org--model/blobs/${name}`);
    expect(taken).not.toMatch(/incomplete|\.rbee-/);
  });

  it('made for a version is accepted, and is not a digest', () => {
    const name = versionBlobName(versionOf(['https://a.example/x', '"etag"', 5]));
    expect(assertBlobName(name)).toMatch(/^version-[0-9a-f]{40}$/);
  });

  it('differs where any fact differs', () => {
    const facts: (string | number | null)[][] = [
      ['u', 'v', 1],
      ['u', 'v', 2],
      ['u', null, 1],
      ['uv', null, 1],
      ['u', 'v'],
    ];
    expect(new Set(facts.map(versionOf)).size).toBe(facts.length);
  });
});
