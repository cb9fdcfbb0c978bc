import { glob, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A row of a table: its cells by the names of the columns, without backticks. */
export type Row = Readonly<Record<string, string>>;

export interface Table {
  /** The nearest heading above it. */
  readonly heading: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

interface Fence {
  readonly heading: string;
  readonly language: string;
  readonly lines: readonly string[];
}

export interface Page {
  /** From the root. */
  readonly path: string;
  /** The text outside of fences. */
  readonly prose: string;
  readonly headings: readonly string[];
  readonly tables: readonly Table[];
  readonly fences: readonly Fence[];
}

const MAX_PAGES = 200;

export async function readPage(path: string): Promise<Page> {
  return parsePage(path, await readFile(join(ROOT, path), 'utf8'));
}

/** The pages that people read: the root's, `docs/`, and each package's and app's own. */
export async function readAllPages(): Promise<readonly Page[]> {
  const docs = (await readdir(join(ROOT, 'docs'), { recursive: true })).filter((name) => name.endsWith('.md'));
  const homes = await Promise.all(['packages', 'apps'].map(foldersOf));
  const paths = [
    'README.md',
    'CHANGELOG.md',
    ...docs.sort().map((name) => `docs/${name}`),
    ...homes.flat().map((home) => `${home}/README.md`),
  ];
  if (paths.length > MAX_PAGES) throw new Error(`${paths.length} pages: something else was found`);
  return Promise.all(paths.map(readPage));
}

/** The folders in a folder, from the root. */
export async function foldersOf(path: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, path), { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${path}/${entry.name}`)
    .sort();
}

/** The files that match a pattern, from the root; nothing that is installed, built or hidden. */
export async function filesMatching(pattern: string): Promise<string[]> {
  const found: string[] = [];
  const exclude = (name: string) => /(?:^|\/)(?:node_modules|dist|\.[^/]+)$/.test(name);
  for await (const path of glob(pattern, { cwd: ROOT, exclude })) found.push(path);
  return found.sort();
}

/** The TypeScript sources below a folder's `src`, joined into one text. */
export async function sourceOf(...homes: readonly string[]): Promise<string> {
  const texts = homes.map(async (home) => {
    const folder = join(ROOT, home, 'src');
    const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.ts')).sort();
    return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  });
  return (await Promise.all(texts)).flat().join('\n');
}

/** The one table under a heading. */
export function tableUnder(page: Page, heading: string): Table {
  const [table, ...more] = page.tables.filter((candidate) => candidate.heading === heading);
  if (table === undefined) throw new Error(`${page.path} has no table under "${heading}"`);
  if (more.length > 0) throw new Error(`${page.path} has several tables under "${heading}"`);
  return table;
}

/** The cells of one column. */
export function column(table: Table, name: string): string[] {
  return table.rows.map((row) => cell(row, name));
}

export function cell(row: Row, name: string): string {
  const text = row[name];
  if (text === undefined) throw new Error(`the row ${JSON.stringify(row)} has no column "${name}"`);
  return text;
}

/** A heading's anchor, as GitHub makes it. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
    .replaceAll(' ', '-');
}

export function parsePage(path: string, text: string): Page {
  const prose: string[] = [];
  const headings: string[] = [];
  const tables: Table[] = [];
  const fences: Fence[] = [];
  let fence: { heading: string; language: string; lines: string[] } | null = null;
  let rows: string[] = [];
  const heading = () => headings.at(-1) ?? '';
  const endTable = () => {
    if (rows.length > 0) tables.push(toTable(path, heading(), rows));
    rows = [];
  };
  for (const line of text.split('\n')) {
    const mark = /^```(\S*)$/.exec(line);
    if (fence !== null) {
      if (mark !== null) fence = null;
      else fence.lines.push(line);
      continue;
    }
    if (line.startsWith('|')) {
      rows.push(line);
      prose.push(line);
      continue;
    }
    endTable();
    if (mark !== null) {
      fence = { heading: heading(), language: mark[1] ?? '', lines: [] };
      fences.push(fence);
      continue;
    }
    prose.push(line);
    const title = /^#{1,6} (.*)$/.exec(line)?.[1];
    if (title !== undefined) headings.push(title.replaceAll('`', '').trim());
  }
  endTable();
  if (fence !== null) throw new Error(`${path}: a fence is not closed`);
  return { path, prose: prose.join('\n'), headings, tables, fences };
}

function toTable(path: string, heading: string, lines: readonly string[]): Table {
  const [columns = [], rule = [], ...body] = lines.map(cellsOf);
  if (!rule.every((text) => /^:?-+:?$/.test(text))) throw new Error(`${path}: a table under "${heading}" has no rule`);
  const rows = body.map((cells) => {
    if (cells.length !== columns.length) throw new Error(`${path}: "${cells.join(' | ')}" has another number of cells`);
    return Object.fromEntries(columns.map((name, index) => [name, cells[index] ?? '']));
  });
  return { heading, columns, rows };
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\|/, '')
    .replace(/\|\s*$/, '')
    .split(/(?<!\\)\|/)
    .map((text) => text.replaceAll('\\|', '|').replaceAll('`', '').trim());
}
