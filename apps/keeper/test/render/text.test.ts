import { describe, expect, it } from 'vitest';
import { shortIds } from '../../src/render/list-text.ts';
import { type Column, table } from '../../src/render/table.ts';
import { pad, printable, shorten, textWidth, wrap } from '../../src/render/text.ts';

describe('text in columns', () => {
  it.each([
    ['model.gguf', 10],
    ['模型', 4],
    ['모델', 4],
    ['ｗ', 2],
    ['⏳', 2],
    ['👩‍👩‍👧', 2],
    ['é', 1],
    ['é', 1],
    ['…', 1],
    ['', 0],
    ['\u001b[31mred\u001b[39m…', 4],
  ])('%s takes %i', (text, width) => {
    expect(textWidth(text)).toBe(width);
  });

  it('is shortened in the middle to the width, never inside a character', () => {
    expect(shorten('model-Q4_K_M.gguf', 17)).toBe('model-Q4_K_M.gguf');
    expect(shorten('model-Q4_K_M.gguf', 11)).toBe('model….gguf');
    expect(shorten('模型模型模型', 6)).toBe('模…型');
    for (const text of ['model-Q4_K_M.gguf', '模型模型模型', '👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧']) {
      for (let width = 0; width < 20; width += 1) expect(textWidth(shorten(text, width))).toBeLessThanOrEqual(width);
    }
  });

  it('is padded by columns and not by characters', () => {
    expect(pad('模型', 6)).toBe('模型  ');
    expect(pad('7s', 4, 'right')).toBe('  7s');
  });

  it('is wrapped at spaces', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('', 7)).toEqual([]);
  });

  it('loses terminal control characters', () => {
    expect(printable('a\u001b[2Jb\nc\u009bd\u202ee')).toBe('a [2Jb c d e');
  });
});

describe('a table', () => {
  const columns: readonly Column<readonly [string, string]>[] = [
    { title: 'A', cell: ([a]) => a },
    { title: 'B', cell: ([, b]) => b, least: 12 },
  ];

  it('aligns its columns and leaves no spaces at the ends of lines', () => {
    const rows = [['模型', 'x'] as const, ['m', 'a long name'] as const];
    expect(table(columns, rows, null)).toBe('A     B\n模型  x\nm     a long name\n');
  });

  const three: readonly Column<readonly string[]>[] = [
    { title: 'NAME', cell: ([name = '']) => name, least: 10 },
    { title: 'FROM', cell: ([, from = '']) => from, least: 10, rank: 2 },
    { title: 'SIZE', cell: ([, , size = '']) => size, side: 'right', rank: 1 },
  ];
  it.each([
    [40, 'a-long-…M.GGUF  a-long-…d-repo  637.8 MB'],
    [28, 'a-long-na…K_M.GGUF  637.8 MB'],
    [19, 'a-long-na…_K_M.GGUF'],
    [5, 'a-…UF'],
  ])('of %i columns shortens all alike, then leaves out the least important columns', (width, line) => {
    const [, row = ''] = table(three, [['a-long-name-Q4_K_M.GGUF', 'a-long-org/and-repo', '637.8 MB']], width).split(
      '\n',
    );
    expect(row).toBe(line);
  });

  it('shortens only the column that shrinks to fit the terminal', () => {
    const text = table(columns, [['m', 'a-very-long-name-of-a-model.gguf']], 20);
    for (const line of text.trimEnd().split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(20);
    expect(text).toContain('a-very-l…del.gguf');
  });
});

describe('short ids', () => {
  it('are as long as needed to be unambiguous', () => {
    const ids = ['dl-01999c3a-4f2b-7000-8000-000000000000', 'dl-01999c3a-4f2c-7000-8000-000000000000'];
    expect(ids.map(shortIds(ids))).toEqual(['dl-01999c3a-4f2b', 'dl-01999c3a-4f2c']);
    const twins = ['dl-01999c3a-4f2b-7000-8000-000000000000', 'dl-01999c3a-4f2b-7100-8000-000000000000'];
    expect(twins.map(shortIds(twins))).toEqual(['dl-01999c3a-4f2b-70', 'dl-01999c3a-4f2b-71']);
  });
});
