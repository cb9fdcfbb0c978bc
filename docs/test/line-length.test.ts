import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesMatching, ROOT } from './support.ts';

const MAX_COLUMNS = 120;

/** The numbers of the lines of prose that are too long and could be wrapped. */
function longLinesOf(text: string): number[] {
  let isFenced = false;
  return text.split('\n').flatMap((line, index) => {
    if (/^\s*```/.test(line)) isFenced = !isFenced;
    const isTable = line.startsWith('|');
    const isReference = /^\[[^\]]+\]: /.test(line);
    // A long URL cannot be wrapped.
    const isOneWord = !/\s/.test(line.replace(/^\s*(?:[-*]|\d+\.)?\s*/, ''));
    const isFree = isFenced || isTable || isReference || isOneWord;
    return isFree || [...line].length <= MAX_COLUMNS ? [] : [index + 1];
  });
}

const paths = await filesMatching('**/*.md');

describe('the lines of the pages', () => {
  it('are read on all pages', () => {
    expect(paths).toEqual(expect.arrayContaining(['README.md', 'bench/README.md', 'docs/reference/cli.md']));
    expect(paths.filter((path) => path.includes('node_modules'))).toEqual([]);
  });

  it.each(paths)(`of %s have at most ${MAX_COLUMNS} columns`, async (path) => {
    expect(longLinesOf(await readFile(join(ROOT, path), 'utf8'))).toEqual([]);
  });

  it('are counted in prose, but not in tables, code, references and URLs', () => {
    const long = 'word '.repeat(30).trim();
    const url = `https://example.org/${'x'.repeat(130)}`;
    const text = [long, `| ${long} |`, '```sh', long, '```', `[a]: https://b.c ${long}`, url, `- ${url}`, `- ${long}`];
    expect(longLinesOf(text.join('\n'))).toEqual([1, 9]);
    expect(longLinesOf('ü'.repeat(60).concat(' ', 'ü'.repeat(59)))).toEqual([]);
    expect(longLinesOf('ü'.repeat(60).concat(' ', 'ü'.repeat(60)))).toEqual([1]);
  });
});
