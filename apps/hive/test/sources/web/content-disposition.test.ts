import { NASTY_NAMES } from '@rbee/testing';
import { describe, expect, it } from 'vitest';
import { fileNameOf } from '../../../src/sources/web/content-disposition.ts';

describe('the file name of a Content-Disposition', () => {
  it.each([
    ['attachment; filename="x.gguf"', 'x.gguf'],
    ['attachment; filename=x.gguf', 'x.gguf'],
    ['attachment;FILENAME = "x.gguf" ; size=3', 'x.gguf'],
    ['inline; filename="a;b=c.gguf"', 'a;b=c.gguf'],
    ['attachment; filename="a\\"b.gguf"', 'a"b.gguf'],
    ["attachment; filename*=UTF-8''na%C3%AFve%20x.gguf", 'naïve x.gguf'],
    ['attachment; filename="plain.gguf"; filename*=utf-8\'en\'%e2%82%ac.gguf', '€.gguf'],
    ["attachment; filename*=iso-8859-1''na%EFve.gguf; filename=x", 'naïve.gguf'],
    // What cannot be read falls back to the plain one.
    ['attachment; filename*=UTF-8\'\'%FF%FE; filename="plain.gguf"', 'plain.gguf'],
    ['attachment; filename*=UTF-16\'\'x; filename="plain.gguf"', 'plain.gguf'],
    ['attachment; filename*=x.gguf; filename="plain.gguf"', 'plain.gguf'],
    // Raw UTF-8 arrives one character a byte.
    [`attachment; filename="${Buffer.from('naïve.gguf').toString('latin1')}"`, 'naïve.gguf'],
    ['attachment; filename="na\u00efve.gguf"', 'na\u00efve.gguf'],
    ['attachment; filename="first.gguf"; filename="second.gguf"', 'first.gguf'],
    ['filename="x.gguf"', 'x.gguf'],
    ['attachment', null],
    ['attachment; filename=""', null],
    ['attachment; filename', null],
    ['attachment; filename="never closed', '"never'],
    ['', null],
    ['=;=;=', null],
    ['a'.repeat(5_000), null],
  ])('%s', (header, name) => expect(fileNameOf(header)).toBe(name));

  it('is null where there is no header', () => expect(fileNameOf(null)).toBeNull());

  it.each(NASTY_NAMES)('is parsed in finite time: $trick, $shown', ({ name }) => {
    for (const header of [`attachment; filename="${name}"`, `attachment; filename=${name}`, name]) {
      const found = fileNameOf(header);
      expect(found === null || typeof found === 'string').toBe(true);
    }
    const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(/['()*]/g, '_');
    if (encoded.length < 4_000) {
      expect(fileNameOf(`attachment; filename*=UTF-8''${encoded}`)?.length).toBe(name.length);
    }
  });
});
