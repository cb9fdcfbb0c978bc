import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../src/program.ts';

// Goal: each command that a hint or message names really exists, with its options. Method: the commands in quotes of all
// sources are looked up in the program.

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const QUOTED = /"(rbee-keeper [a-z][^"\n]*|(?:model|download|job|hive) [a-z][^"\n]*)"/g;

function sourcesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /^[^/]+\/src\/.*\.ts$/.test(name))
    .map((name) => readFileSync(join(ROOT, folder, name), 'utf8'));
}

const HINTS = [
  ...new Set(
    [...sourcesIn('apps'), ...sourcesIn('packages')].flatMap((text) =>
      [...text.matchAll(QUOTED)].map(([, line = '']) => line.replace(/^rbee-keeper /, '')),
    ),
  ),
].sort();

const program = buildProgram('0', async () => {}, null);

/** The first word of a line that is not known; null if all are. */
function unknownWord(line: string): string | null {
  let command: Command = program;
  const words = line.replaceAll(/\$\{[^}]*\}/g, 'VALUE').split(' ');
  for (const word of words) {
    const below = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (below !== undefined) {
      command = below;
      continue;
    }
    if (command.commands.length > 0 && !word.startsWith('-')) return word;
    const options = [...command.options, ...program.options, { long: '--help', short: '-h' }];
    if (word.startsWith('-') && !options.some(({ long, short }) => long === word || short === word)) return word;
  }
  return null;
}

describe('the commands that hints name', () => {
  it('are found', () => {
    expect(HINTS.length).toBeGreaterThan(15);
  });

  it.each(HINTS)('[K6] %s', (line) => {
    expect(unknownWord(line)).toBeNull();
  });
});
