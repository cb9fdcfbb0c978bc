import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { manPage } from '../src/man-page.ts';
import { buildProgram } from '../src/program.ts';

const program = buildProgram('1.2.3', async () => {}, null);
const page = manPage(program, '1.2.3', '2026-01-02');
const isThere = (command: string) =>
  process.env['CI'] !== undefined || spawnSync(command, ['-h'], { stdio: 'ignore' }).error === undefined;

describe('the manual page', () => {
  it.skipIf(!isThere('mandoc'))('has no warnings, and every command and option', () => {
    const lint = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning'], { input: page, encoding: 'utf8' });
    expect(lint.stdout + lint.stderr).toBe('');
    const { stdout } = spawnSync('mandoc', ['-T', 'utf8', '-O', 'width=200'], { input: page, encoding: 'utf8' });
    // Bold letters are typed twice over each other.
    const shown = stdout.replaceAll(/.\u0008/g, '');
    for (const group of program.commands) {
      for (const { name, options } of group.commands.map((each) => ({ name: each.name(), options: each.options }))) {
        expect(shown).toContain(`${group.name()} ${name} [options]`);
        for (const { flags } of options) expect(shown).toContain(flags);
      }
    }
    for (const { flags } of program.options) expect(shown).toContain(flags);
    expect(shown).toMatch(/EXIT STATUS[\s\S]* 130 +interrupted/);
  });
});
