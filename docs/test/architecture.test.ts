import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
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

/** All folders below a folder, from the root. */
async function foldersBelow(path: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, path), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

describe('docs/architecture.md', () => {
  it('names files that exist in its glossary', async () => {
    const files = column(tableUnder(page, 'Glossary'), 'File');
    expect(files.length).toBeGreaterThan(10);
    for (const file of files) expect((await stat(join(ROOT, file))).isFile(), file).toBe(true);
  });

  it('has a row for every package and app', async () => {
    const all = [...(await foldersOf('packages')), ...(await foldersOf('apps'))];
    expect(column(tableUnder(page, 'Packages and apps'), 'Folder').sort()).toEqual(all.sort());
  });

  it.each([
    ['Rooms of the packages', 'packages'],
    ['Rooms of the hive', 'apps/hive'],
    ['Rooms of the queen', 'apps/queen'],
    ['Rooms of the keeper', 'apps/keeper'],
  ])('has under "%s" a row for every folder of source', async (heading, home) => {
    const homes = home === 'packages' ? await foldersOf(home) : [home];
    const rooms = (await Promise.all(homes.map((path) => foldersBelow(`${path}/src`)))).flat();
    expect(column(tableUnder(page, heading), 'Folder').sort()).toEqual(rooms.sort());
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
    const shared = new Map<string, Set<string>>();
    for (const { name, from, to } of rules) {
      if (!name.startsWith('leaf-')) continue;
      const [, app = '', leaf = ''] = /^\^(apps\/[^/]+)\/src\/([^/]+)\/$/.exec(from.path ?? '') ?? [];
      const allowed = /\((.*)\)\/$/.exec(to.pathNot ?? '')?.[1]?.split('|') ?? [];
      enforced.set(app, [...(enforced.get(app) ?? []), leaf]);
      shared.set(app, new Set([...(shared.get(app) ?? []), ...allowed.filter((other) => other !== leaf)]));
    }
    const documented = tableUnder(page, 'Leaves').rows.map((row) => [
      cell(row, 'App'),
      cell(row, 'Leaves').split(', '),
      cell(row, 'Shared'),
    ]);
    expect(documented).toEqual(
      [...enforced].map(([app, leaves]) => [app, leaves, [...(shared.get(app) ?? [])].join()]),
    );
  });
});
