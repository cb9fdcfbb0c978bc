import { spawnSync } from 'node:child_process';
import type { Command, Option } from 'commander';
import { describe, expect, it } from 'vitest';
import { manPage } from '../src/man-page.ts';
import { buildProgram } from '../src/program.ts';

const program = buildProgram('1.2.3', async () => {}, null);
const page = manPage(program, '1.2.3', '2026-01-02');
const isThere = (command: string) =>
  process.env['CI'] !== undefined || spawnSync(command, ['-h'], { stdio: 'ignore' }).error === undefined;

/** Every command that does something, with its words and options. */
function commandsOf(command: Command): { words: string; options: readonly Option[] }[] {
  const below = command.commands.filter((each) => each.name() !== 'help');
  if (below.length === 0) return [{ words: command.name(), options: command.options }];
  return below.map((each) => ({ words: `${command.name()} ${each.name()}`, options: each.options }));
}

describe('the manual page', () => {
  it.skipIf(!isThere('mandoc'))('has no warnings, and every command and option', () => {
    const lint = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning'], { input: page, encoding: 'utf8' });
    expect(lint.stdout + lint.stderr).toBe('');
    const { stdout } = spawnSync('mandoc', ['-T', 'utf8', '-O', 'width=200'], { input: page, encoding: 'utf8' });
    // Bold letters are typed twice over each other.
    const shown = stdout.replaceAll(/.\u0008/g, '');
    for (const { words, options } of program.commands.flatMap((each) => commandsOf(each))) {
      expect(shown).toContain(`   ${words} [`);
      for (const { flags } of options) expect(shown).toContain(flags);
    }
    for (const heading of ['MODELS', 'DOWNLOADS', 'QUEENS AND HIVES']) expect(shown).toContain(`\n${heading}\n`);
    expect(shown).toMatch(/ {3}rm \[options\] <id\.\.\.>\n.*\n +The same as "model remove", with its options\./);
    expect(shown).toMatch(/ {3}up \[options\]\n(?!.*\n.*The same as)/);
    for (const { flags } of program.options) expect(shown).toContain(flags);
    expect(shown).toMatch(/EXIT STATUS[\s\S]* 130 +interrupted/);
  });
});
