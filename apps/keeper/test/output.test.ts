import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { isUtf8, textOutput } from '../src/output.ts';
import { coloured } from '../src/render/style.ts';

function written(text: string, isTTY: boolean, env: NodeJS.ProcessEnv = { LANG: 'C.UTF-8' }): string {
  const stream = Object.assign(new PassThrough(), { isTTY });
  textOutput(stream, env).write(text);
  return String(stream.read());
}

describe('text on a terminal', () => {
  it.each([
    ['a title', 'a\u001b]0;PWNED\u0007b', 'a ]0;PWNED b'],
    ['a C1 sequence', 'a\u009b2Jb', 'a 2Jb'],
    ['an override of the direction', 'a\u202eb', 'a b'],
    ['a code that is not one of the keeper', 'a\u001b[5mb', 'a [5mb'],
    ['a carriage return', 'error\rok', 'error ok'],
  ])('[K9] loses %s', (_, text, shown) => {
    expect(written(text, true)).toBe(shown);
  });

  it('keeps line breaks, tabs and colours of the keeper', () => {
    const text = `${coloured('red', 'error:')} x\n\ty\n`;
    expect(written(text, true)).toBe(text);
  });

  it.each([
    ['bars', '██░░ 50%', '##.. 50%'],
    ['marks of the doctor', '✓ ✗ →', '+ x >'],
    ['a shortened name', 'mod…el', 'mod~el'],
    ['a wide name, as wide as it was', '模型.gguf', '????.gguf'],
    ['a letter with a mark', 'e\u0301 é', 'e ?'],
  ])('[K5] is ASCII in the C locale: %s', (_, text, shown) => {
    expect(written(text, true, { LC_ALL: 'C' })).toBe(shown);
  });
});

describe('text in a pipe', () => {
  it('[K9] loses control characters and separators of lines', () => {
    expect(written('a\u001b[31mb\u0085c\u2028d\re\n', false)).toBe('a [31mb c d e\n');
  });

  it('keeps what names of folders may contain, in any locale', () => {
    expect(written('/models/👩\u200d💻/می\u200cخواهم\n', false, { LC_ALL: 'C' })).toBe(
      '/models/👩\u200d💻/می\u200cخواهم\n',
    );
  });
});

describe('a locale with UTF-8', () => {
  it.each([
    [{ LANG: 'en_GB.UTF-8' }, true],
    [{ LANG: 'de_DE.utf8' }, true],
    [{ LANG: 'C.UTF-8', LC_CTYPE: 'POSIX' }, false],
    [{ LANG: 'C', LC_CTYPE: 'C.UTF-8' }, true],
    [{ LANG: 'C.UTF-8', LC_CTYPE: 'C.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'C.UTF-8', LC_ALL: '' }, true],
    [{ LANG: 'de_DE.ISO-8859-1' }, false],
    [{}, false],
  ])('[K5] is found by the rules of POSIX: %j', (env, expected) => {
    expect(isUtf8(env, 'linux')).toBe(expected);
  });

  it('is that of a Mac without any', () => {
    expect(isUtf8({}, 'darwin')).toBe(true);
  });
});
