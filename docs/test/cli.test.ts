import { describe, expect, it } from 'vitest';
import { DOWNLOAD_EVENT_NAMES, EXIT_CODES, JOB_EVENT_NAMES } from '../../packages/contract/src/index.ts';
import { commandsOf, fullHelpOf, helpOf } from './keeper-help.ts';
import { cell, column, readPage, sourceOf, tableUnder } from './support.ts';

const page = await readPage('docs/reference/cli.md');
const commands = await commandsOf();

function helpUnder(heading: string): string | undefined {
  return page.fences.find((fence) => fence.heading === heading && fence.language === 'text')?.lines.join('\n');
}

/** The lines between a heading and the next. */
function proseUnder(heading: string): string {
  const from = page.prose.indexOf(`\n### ${heading}\n`);
  const to = page.prose.indexOf('\n#', from + 1);
  return page.prose.slice(from, to < 0 ? undefined : to);
}

describe('docs/reference/cli.md', () => {
  it('shows the help of the program', async () => {
    expect(helpUnder('rbee-keeper')).toBe(await helpOf([]));
  });

  it.each(commands)('shows the help of %s %s', async (...words) => {
    const given = words.filter((word) => word !== undefined);
    expect(helpUnder(given.join(' '))).toBe(await helpOf(given));
  });

  it('has no command that the program lacks', () => {
    const shown = page.fences.filter(({ language }) => language === 'text').map(({ heading }) => heading);
    expect(shown).toEqual(['rbee-keeper', ...commands.map((words) => words.join(' '))]);
  });

  it('has an example for each command', () => {
    for (const words of commands) expect(helpUnder(words.join(' '))).toMatch(/\nExamples?:\n {2}\$ rbee-keeper /);
  });

  it('names other names of a command that lead to the same help', async () => {
    for (const words of commands) {
      const also = /\nAlso ([^.]*)\./.exec(proseUnder(words.join(' ')))?.[1] ?? '';
      const usage = (help: string) => help.slice(help.indexOf('\nOptions:'), help.indexOf('\nGlobal Options:'));
      const own = usage(await fullHelpOf(words));
      for (const [, name = ''] of also.matchAll(/`([a-z ]+)`/g)) {
        expect(usage(await fullHelpOf(name.split(' '))), name).toBe(own);
      }
    }
  });

  it('lists the exit codes of the contract', () => {
    expect(column(tableUnder(page, 'Exit codes'), 'Exit')).toEqual(Object.values(EXIT_CODES).map(String));
    const help = helpUnder('rbee-keeper') ?? '';
    for (const row of tableUnder(page, 'Exit codes').rows) {
      expect(help).toMatch(new RegExp(`^ {2}${cell(row, 'Exit')} +${cell(row, 'Means')}$`, 'm'));
    }
  });

  it('lists the codes of the keeper with their exit codes', async () => {
    const text = await sourceOf('apps/keeper');
    const table = /const EXIT_OF = \{([\s\S]*?)\n\}/.exec(text)?.[1] ?? '';
    const known = [...table.matchAll(/^ {2}([A-Z_]+): exitCodes\.(\w+),$/gm)].map(([, code, exit]) => [
      code,
      String(EXIT_CODES[exit as keyof typeof EXIT_CODES]),
    ]);
    expect(known.length).toBeGreaterThan(0);
    const documented = tableUnder(page, 'Codes of the keeper').rows;
    expect(documented.map((row) => [cell(row, 'Code'), cell(row, 'Exit')])).toEqual(known);
  });

  it('lists every event that --json prints', async () => {
    const text = await sourceOf('apps/keeper');
    const union = /export type WatchEvent =([\s\S]*?);\n\n/.exec(text)?.[1] ?? '';
    const own = [...union.matchAll(/readonly event: '(\w+)'/g)].map(([, name = '']) => name);
    // A failure is printed as `{"error":…}`, which the page tells in words.
    const known = [...DOWNLOAD_EVENT_NAMES, ...own.filter((name) => name !== 'failure')];
    expect(own).toEqual(expect.arrayContaining([...JOB_EVENT_NAMES, 'failure']));
    expect(column(tableUnder(page, 'Events'), 'Event').sort()).toEqual(known.sort());
  });

  it('has the line of JSON of every command that answers at once', () => {
    const following = ['model download', 'download retry', 'download watch', 'job watch'];
    const answering = commands.map((words) => words.join(' ')).filter((name) => !following.includes(name));
    const documented = column(tableUnder(page, 'Answers'), 'Command').flatMap((text) => text.split(', '));
    expect(documented.sort()).toEqual(answering.sort());
  });
});
