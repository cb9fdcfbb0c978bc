import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const BIN = join(fileURLToPath(new URL('../..', import.meta.url)), 'apps/keeper/bin/rbee-keeper.js');
const run = promisify(execFile);

/** Commands that stand for others, which the page names beside those. */
const SHORTCUTS: readonly string[] = ['help', 'pull', 'ls', 'show', 'rm', 'ps', 'watch', 'stop'];

/** What the built keeper prints for `--help` after the words of a command. */
export async function fullHelpOf(words: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [BIN, ...words, '--help']);
  return stdout.trimEnd();
}

/** The same without what every command takes, which the page shows once. */
export async function helpOf(words: readonly string[]): Promise<string> {
  const help = await fullHelpOf(words);
  return words.length === 0 ? help : help.replace(/\nGlobal Options:\n(?: {2}.*\n?)+/, '').trimEnd();
}

/** Every command that does something, by its words. */
export async function commandsOf(): Promise<string[][]> {
  const groups = (await namesIn([])).filter((name) => !SHORTCUTS.includes(name));
  const commands = await Promise.all(
    groups.map(async (group) => {
      const below = (await namesIn([group])).filter((name) => name !== 'help');
      return below.length === 0 ? [[group]] : below.map((name) => [group, name]);
    }),
  );
  return commands.flat();
}

/** Options that a help lists, long form, also the ones of every command. */
export function optionsIn(help: string): string[] {
  return [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z0-9-]+)/gm)].map(([, name = '']) => name);
}

/** The names of the commands that a help lists, each by its first name. */
async function namesIn(words: readonly string[]): Promise<string[]> {
  const help = await fullHelpOf(words);
  const sections = help.matchAll(/\n(?:Commands|Models|Downloads|Queens and hives):\n((?: {2}.*\n?)+)/g);
  return [...sections].flatMap(([, listed = '']) =>
    [...listed.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name),
  );
}
