import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { filesMatching, ROOT } from './support.ts';

/** The conditions from the field that tests show, and the page's tables of them. */

interface Kind {
  readonly id: string;
  readonly name: string;
}

interface Room {
  readonly heading: string;
  readonly kinds: readonly Kind[];
}

/** One test of one condition. */
interface Condition {
  /** `C2`. */
  readonly kind: string;
  readonly condition: string;
  /** The test's file, from the root. */
  readonly test: string;
}

/** A kind's id stands in the title of a test, or of the `describe` around it. */
const TAG = /(?<!\S)\[([A-Z]\d{1,2})\] /;
const BEGIN = '<!-- conditions: generated -->';
const END = '<!-- conditions: end -->';
const PLACES: readonly string[] = ['{packages,apps}/*/test/**/*.ts', 'e2e/**/*.ts'];
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

const ROOMS: readonly Room[] = [
  room('The hub and its mirrors', 'A', [
    'shapes of the hub',
    'size of a redirect',
    'GET without Range',
    'further pages',
    'redirecting mirrors',
    'hubs without a tree',
    'raw UTF-8',
    'endless lists',
    'endless responses',
    'messages of the hub',
    'changing tokens',
    'repos without an organisation',
    'odd file names',
    'pages in place of files',
  ]),
  room('Patience', 'B', ['outages', 'waits', 'two address families', 'slow for all', 'shortages']),
  room('Servers', 'C', [
    'other validators',
    'odd ranges',
    'encodings',
    'wrong HEAD',
    'unknown size',
    'long URLs',
    'odd addresses and headers',
    'files without a validator',
    'If-Range refused',
  ]),
  room('Proxies and TLS', 'D', ['proxy settings', 'hints of TLS']),
  room('Disks and folders', 'E', [
    'failing syncs',
    'one writable folder',
    'unmounted disks',
    'no symbolic links',
    'odd file systems',
    'read-only stores',
    'planted links',
    'lost ends',
    'other users',
  ]),
  room('Ownership and history', 'F', [
    'one owner of a store',
    'unwritable history',
    'bad rows',
    'orphaned daemons',
    'commands side by side',
  ]),
  room('Files of other programs', 'G', [
    'shared blobs',
    'plain files',
    'pruned partials',
    'refs',
    'removed models',
    'unfinished files',
    'variables',
    'models at a commit',
  ]),
  room('Choice of files', 'H', ['sidecars and quantisations', 'projectors', 'Ollama layers', 'challenges', 'shards']),
  room('Progress', 'I', ['speed and ETA', 'statuses', 'clocks', 'counts of bytes', 'narration', 'plain lines']),
  room('The queue', 'J', ['waiting for a blob', 'interrupted hashes']),
  room('Commands', 'K', [
    'cancels',
    'without a queen',
    'removing partials',
    'signals and closed outputs',
    'odd terminals',
    'repeated verbs',
    'plans and codes',
    'early Ctrl+C',
    'hostile text',
    'completion',
    'lost bars',
    'order of paths',
    'narration and start',
  ]),
  room('The queen', 'L', [
    'leaving hives',
    'unwritable state',
    'who ends a download',
    'cost of a job',
    'half-open hives',
    'names of hives',
    'pending cancels',
    'damaged state',
    'limits and snapshots of streams',
    'budgets',
    'complete lists',
    'odd events and addresses',
  ]),
];

function room(heading: string, letter: string, names: readonly string[]): Room {
  return { heading, kinds: names.map((name, index) => ({ id: `${letter}${index + 1}`, name })) };
}

/** The ids of all kinds, in the order of the page. */
export const KINDS: readonly string[] = ROOMS.flatMap(({ kinds }) => kinds.map(({ id }) => id));

/** Every test whose title begins with a kind, also each row of an `it.each`. Loads the files of the tests, but runs none. */
export async function readConditions(): Promise<Condition[]> {
  const tagged = await taggedFiles();
  if (tagged.length === 0) return [];
  return (await listTests(tagged)).flatMap(({ name, file }) => {
    const titles = name.split(' > ');
    const kind = titles.flatMap((title) => TAG.exec(title)?.[1] ?? []).at(-1);
    if (kind === undefined) return [];
    const texts = titles.map((title) => title.replace(TAG, ''));
    // What the last title repeats, as the name of a server, is left out.
    const own = texts.filter((text, index) => index === texts.length - 1 || !texts.at(-1)?.includes(text));
    return [{ kind, condition: own.join(': '), test: relative(ROOT, file) }];
  });
}

/** The page with its tables written again. */
export function withConditions(page: string, conditions: readonly Condition[]): string {
  const [start, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`the page has no ${BEGIN} before ${END}`);
  return page.slice(0, start + BEGIN.length) + tablesOf(conditions) + page.slice(end);
}

function tablesOf(conditions: readonly Condition[]): string {
  const rooms = ROOMS.map(({ heading, kinds }) => {
    const rows = kinds.flatMap(({ id, name }) =>
      conditions
        .filter(({ kind }) => kind === id)
        .map(({ condition, test }) => [`${id} ${name}`, escaped(condition), `\`${test}\``] as const)
        .sort((one, other) => compare(one[2], other[2]) || compare(one[1], other[1])),
    );
    return rows.length === 0 ? '' : `### ${heading}\n\n${tableOf([['Kind', 'Condition', 'Test'], ...rows])}\n`;
  });
  return `\n\n${rooms.filter((text) => text !== '').join('\n')}\n`;
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(head), rule, ...body.map(line)].join('\n');
}

/** A title as text of a table's cell: nothing in it is Markdown, and everything can be seen. */
function escaped(title: string): string {
  return title
    .replaceAll(
      /[\p{C}\p{Zl}\p{Zp}]/gu,
      (char) => `U+${char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}`,
    )
    .replaceAll(/[\\`*_[\]<>|~]/g, '\\$&');
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** The test files with a kind in a title, or that run a suite which has one. */
async function taggedFiles(): Promise<string[]> {
  const paths = (await Promise.all(PLACES.map(filesMatching))).flat();
  const texts = new Map<string, string>();
  for (const path of paths) texts.set(path, await readFile(join(ROOT, path), 'utf8'));
  const tagged = paths.filter((path) => /\[[A-Z]\d{1,2}\] /.test(texts.get(path) ?? ''));
  const suites = tagged.filter((path) => !path.endsWith('.test.ts')).map((path) => basename(path));
  const runsOne = (path: string) => suites.some((suite) => texts.get(path)?.includes(`/${suite}'`));
  return paths.filter((path) => path.endsWith('.test.ts') && (tagged.includes(path) || runsOne(path)));
}

async function listTests(paths: readonly string[]): Promise<{ name: string; file: string }[]> {
  const script = join(ROOT, 'docs/test/list-tests.ts');
  // Inside a test, the variables of its own vitest would change what another one does.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST')));
  const options = { cwd: ROOT, env, maxBuffer: MAX_OUTPUT_BYTES };
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...paths], options);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as { name: string; file: string }[];
}
