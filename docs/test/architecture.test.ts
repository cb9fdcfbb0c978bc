import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cell, column, foldersOf, ROOT, readPage, tableUnder } from './support.ts';

interface Rule {
  readonly name: string;
  readonly from: { readonly path?: string };
  readonly to: { readonly pathNot?: string };
}

const page = await readPage('docs/architecture.md');
const config = (await import(pathToFileURL(`${ROOT}.dependency-cruiser.mjs`).href)) as {
  readonly default: { readonly forbidden: readonly Rule[] };
};
const rules = config.default.forbidden;

describe('docs/architecture.md', () => {
  it('has a row for every package, every app and every room of an app', async () => {
    const apps = await foldersOf('apps');
    const rooms = await Promise.all(apps.map((app) => foldersOf(`${app}/src`)));
    const all = [...(await foldersOf('packages')), ...apps, ...rooms.flat()];
    expect(column(tableUnder(page, 'Rooms'), 'Room').sort()).toEqual(all.sort());
  });

  it('says who may import whom as the layering rules do', () => {
    const enforced = rules
      .filter(({ name }) => name.startsWith('imports-of-'))
      .map(({ from, to }) => {
        const home = /^\^(.*)\/src\/$/.exec(from.path ?? '')?.[1] ?? '';
        const allowed = (/^\^\((.*)\)\/$/.exec(to.pathNot ?? '')?.[1] ?? '').split('|');
        return [home, allowed.filter((other) => other !== home).join(', ')];
      });
    expect(enforced.length).toBeGreaterThan(0);
    const documented = tableUnder(page, 'Who may import whom').rows;
    expect(documented.map((row) => [cell(row, 'Package'), cell(row, 'May import')])).toEqual(enforced);
  });

  it('covers every package and app with a rule', async () => {
    const all = [...(await foldersOf('packages')), ...(await foldersOf('apps'))];
    expect(column(tableUnder(page, 'Who may import whom'), 'Package').sort()).toEqual(all.sort());
  });

  it('names the leaves of each app', () => {
    const enforced = new Map<string, string[]>();
    for (const { name, from } of rules) {
      if (!name.startsWith('leaf-')) continue;
      const [, app = '', leaf = ''] = /^\^(apps\/[^/]+)\/src\/([^/]+)\/$/.exec(from.path ?? '') ?? [];
      enforced.set(app, [...(enforced.get(app) ?? []), leaf]);
    }
    const documented = tableUnder(page, 'Leaves').rows.map((row) => [
      cell(row, 'App'),
      cell(row, 'Leaves').split(', '),
    ]);
    expect(documented).toEqual([...enforced]);
  });
});
