import { parse, TomlError } from 'smol-toml';
import { didYouMean } from '../did-you-mean.ts';
import { type KeeperError, usageError } from '../errors/keeper-error.ts';
import type { KeeperFile, KeptQueen } from './kept-queens.ts';
import { isQueenName, urlProblem } from './queen-address.ts';

const KEYS = ['default', 'queens'];
const QUEEN_KEYS = ['url', 'token'];
/** What cannot be sent in a header. */
const UNSENDABLE = /[^\u0021-\u007e]/;

/** @throws KeeperError USAGE with the line that is wrong */
export function parseKeeperFile(text: string, path: string): Omit<KeeperFile, 'isExposed'> {
  const file = parseToml(text, path);
  const wrong = (keys: readonly string[], what: string, hint: string) => wrongAt(path, lineOf(text, keys), what, hint);
  assertKnown(Object.keys(file), KEYS, (key, hint) => wrong([key], `the key "${key}" is unknown`, hint));
  const { default: defaultName = null, queens: tables = {} } = file;
  if (!isTable(tables)) throw wrong(['queens'], '"queens" is not a table', FORM);
  const queens = new Map<string, KeptQueen>();
  for (const [name, table] of Object.entries(tables)) {
    if (!isQueenName(name)) throw wrong(['queens', name], `"${name}" cannot be the name of a queen`, NAME_RULE);
    if (!isTable(table)) throw wrong(['queens', name], `"queens.${name}" is not a table`, FORM);
    queens.set(name, queenOf(name, table, wrong));
  }
  if (defaultName === null) return { path, defaultName, queens };
  if (typeof defaultName !== 'string' || !queens.has(defaultName)) {
    const known = [...queens.keys()];
    const hint = `${didYouMean(String(defaultName), known)}set it to ${known.join(' or ') || 'the name of a queen'}`;
    throw wrong(['default'], '"default" names no queen of this file', hint);
  }
  return { path, defaultName, queens };
}

const FORM = 'write [queens.NAME] with the lines url = "http://host:7833" and token = "…" below it';
const NAME_RULE = 'a name has letters, digits, ".", "_" and "-"';

type Wrong = (keys: readonly string[], what: string, hint: string) => KeeperError;
type Table = Readonly<Record<string, unknown>>;

function queenOf(name: string, table: Table, wrong: Wrong): KeptQueen {
  const at = (key: string) => ['queens', name, key];
  assertKnown(Object.keys(table), QUEEN_KEYS, (key, hint) => wrong(at(key), `the key "${key}" is unknown`, hint));
  const { url, token = '' } = table;
  if (typeof url !== 'string') throw wrong(['queens', name], `the queen "${name}" has no url`, FORM);
  const problem = urlProblem(url);
  if (problem !== null) throw wrong(at('url'), `the url of "${name}" ${problem.what}`, problem.hint);
  if (typeof token !== 'string' || UNSENDABLE.test(token)) {
    throw wrong(at('token'), `the token of "${name}" is not one`, `run "rbee-keeper login --name ${name} URL" again`);
  }
  return { url: url.replace(/\/+$/, ''), token: token === '' ? null : token };
}

function parseToml(text: string, path: string): Table {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of the message is an excerpt of the file, which may have a token.
    const [what = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    throw wrongAt(path, error.line, what, 'correct the line, or move the file away and run "rbee-keeper login URL"');
  }
}

function assertKnown(
  keys: readonly string[],
  known: readonly string[],
  wrong: (key: string, hint: string) => KeeperError,
): void {
  const unknown = keys.find((key) => !known.includes(key));
  if (unknown !== undefined) throw wrong(unknown, `${didYouMean(unknown, known)}known are ${known.join(' and ')}`);
}

function wrongAt(path: string, line: number | null, what: string, hint: string): KeeperError {
  return usageError(`${path}${line === null ? '' : `, line ${line}`}: ${what}`, hint);
}

/** The line of a key, or else of the table it is in; null if the file writes it in another way. */
function lineOf(text: string, keys: readonly string[]): number | null {
  const lines = text.split('\n').map((line) => line.replaceAll(/["'\s]/g, ''));
  const [first = '', name, key] = keys;
  if (name === undefined)
    return numberOf(lines, (line) => line.startsWith(`${first}=`) || line.startsWith(`[${first}`));
  const table = numberOf(lines, (line) => line.startsWith(`[${first}.${name}]`));
  if (table === null || key === undefined) return table;
  return numberOf(lines, (line, index) => index >= table && line.startsWith(`${key}=`)) ?? table;
}

function numberOf(lines: readonly string[], isIt: (line: string, index: number) => boolean): number | null {
  const index = lines.findIndex(isIt);
  return index < 0 ? null : index + 1;
}

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
