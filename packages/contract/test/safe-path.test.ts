import { posix, win32 } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertRepoPath, RbeeError } from '../src/index.ts';

function codeOf(path: string): string | null {
  try {
    assertRepoPath(path, 'SOURCE_NOT_ALLOWED');
    return null;
  } catch (error) {
    if (error instanceof RbeeError) return error.code;
    throw error;
  }
}

describe('assertRepoPath', () => {
  it.each(['a', 'a/b.gguf', '.gitattributes', 'a/.b', 'a b/é.json', '1_Pooling/config.json', 'ab:c.gguf'])(
    'takes %s',
    (path) => {
      expect(codeOf(path)).toBeNull();
    },
  );

  it.each(['', '/a', 'a/', 'a//b', '.', './a', '..', 'a/..', '...', 'C:a', 'a\\b', 'a\0b', 'a\u2215b', '\ud800'])(
    'refuses %j with the code it is given',
    (path) => {
      expect(codeOf(path)).toBe('SOURCE_NOT_ALLOWED');
    },
  );

  it('gives the path back as it was', () => {
    expect(assertRepoPath('a/b c/½.gguf', 'INTERNAL')).toBe('a/b c/½.gguf');
  });

  it('takes a part of 255 bytes and refuses one of 256', () => {
    expect(codeOf('é'.repeat(127))).toBeNull();
    expect(codeOf('é'.repeat(128))).toBe('SOURCE_NOT_ALLOWED');
  });

  it('takes a path of 1024 bytes and refuses one of 1025', () => {
    const path = `${'a'.repeat(204)}/`.repeat(5).slice(0, -1);
    expect(Buffer.byteLength(path)).toBe(1024);
    expect(codeOf(path)).toBeNull();
    expect(codeOf(`${path}a`)).toBe('SOURCE_NOT_ALLOWED');
  });

  it('never lets a path out of the folder it is joined to, on either kind of file system', () => {
    const unit = fc.constantFrom(
      'a',
      'Z',
      '.',
      '..',
      '/',
      '\\',
      ':',
      'C:',
      '\uff0e',
      '\uff0f',
      '\u2025',
      '\u2215',
      '%2e',
      '\0',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(unit, { maxLength: 8 }).map((units) => units.join('')),
    );
    fc.assert(
      fc.property(text, (path) => {
        if (codeOf(path) !== null) return;
        for (const form of [path, path.normalize('NFKC'), path.normalize('NFC')]) {
          expect(posix.join('/store', form).startsWith('/store/')).toBe(true);
          expect(win32.resolve('D:\\store', form).startsWith('D:\\store\\')).toBe(true);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
