import { mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf } from '@rbee/contract';
import { parse, stringify } from 'smol-toml';
import type { KeptQueen } from './kept-queens.ts';

/**
 * Stores a queen in the keeper's file under a name, and makes it the default. The file is replaced as a whole, readable by
 * its owner only. Returns whether comments were lost: they are kept where the file has a table for each queen.
 */
export async function saveQueen(path: string, name: string, queen: KeptQueen): Promise<{ lostComments: boolean }> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // A link, as in a repo of dotfiles, stays one.
  const target = await realpath(path).catch(() => path);
  const before = await readFile(target, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  });
  const { text, lostComments } = withQueen(before, name, queen);
  await replaceFile(target, text);
  return { lostComments };
}

/** The text of the file with the queen in it. */
export function withQueen(before: string, name: string, queen: KeptQueen): { text: string; lostComments: boolean } {
  const known = parse(before);
  const queens = { ...(known['queens'] as object), [name]: entryOf(queen) };
  const wanted = { ...known, default: name, queens };
  const edited = withDefault(withTable(before, name, queen), name);
  if (isSame(edited, wanted)) return { text: edited, lostComments: false };
  return { text: `${stringify(wanted)}\n`, lostComments: /^\s*#/m.test(before) };
}

const entryOf = ({ url, token }: KeptQueen) => (token === null ? { url } : { url, token });

function isSame(text: string, wanted: object): boolean {
  const ordered = (value: unknown): unknown =>
    typeof value === 'object' && value !== null
      ? Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, each]) => [key, ordered(each)])
      : value;
  try {
    return JSON.stringify(ordered(parse(text))) === JSON.stringify(ordered(wanted));
  } catch {
    return false;
  }
}

/** Replaces the lines of the queen's table, or adds a table at the end. */
function withTable(text: string, name: string, queen: KeptQueen): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  const keys = Object.entries(entryOf(queen)).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  const start = lines.findIndex((line) => isHeader(line, name));
  if (start < 0) {
    const gap = lines.length === 0 ? [] : [''];
    return [...lines, ...gap, `[queens.${keyOf(name)}]`, ...keys, ''].join('\n');
  }
  const next = lines.findIndex((line, index) => index > start && /^\s*\[/.test(line));
  const end = next < 0 ? lines.length : next;
  const others = lines.slice(start + 1, end).filter((line) => !/^\s*["']?(?:url|token)["']?\s*=/.test(line));
  return [...lines.slice(0, start + 1), ...keys, ...others, ...lines.slice(end), ''].join('\n');
}

function isHeader(line: string, name: string): boolean {
  const [, key] = /^\s*\[\s*queens\s*\.\s*(.*?)\s*\]\s*(?:#.*)?$/.exec(line) ?? [];
  return key !== undefined && key.replaceAll(/^["']|["']$/g, '') === name;
}

/** A dot would separate two keys. */
const keyOf = (name: string): string => (name.includes('.') ? JSON.stringify(name) : name);

function withDefault(text: string, name: string): string {
  const line = `default = ${JSON.stringify(name)}`;
  const lines = text.split('\n');
  const firstTable = lines.findIndex((each) => /^\s*\[/.test(each));
  const at = lines.findIndex((each, index) => index < firstTable && /^\s*["']?default["']?\s*=/.test(each));
  if (at >= 0) return lines.with(at, line).join('\n');
  return [line, '', ...lines].join('\n');
}

/** A crash leaves the file before or after, never a part of it. */
async function replaceFile(path: string, text: string): Promise<void> {
  const draft = join(dirname(path), `.keeper-${process.pid}-${Date.now().toString(36)}.toml`);
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
