import { spawnSync } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT_CODES } from '@rbee/contract';
import { openTerminal, type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAIN, runKeeper } from './support/keeper.ts';

let home: TempDir;
beforeEach(async () => {
  home = await tempDir();
});
afterEach(() => home.remove());

const install = (words: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
  runKeeper(['completion', 'install', ...words], { env: { HOME: home.path, SHELL: '/bin/sh', ...env } });

describe('completion install', () => {
  it.each([
    ['bash', '.local/share/bash-completion/completions/rbee-keeper', {}],
    ['bash', '.local/share/bash-completion/completions/rbee', {}],
    ['fish', '.config/fish/completions/rbee-keeper.fish', {}],
    ['zsh', '.zfunc/_rbee-keeper', {}],
    ['fish', 'elsewhere/fish/completions/rbee.fish', { XDG_CONFIG_HOME: 'elsewhere' }],
    ['bash', 'elsewhere/bash-completion/completions/rbee', { XDG_DATA_HOME: 'elsewhere' }],
    ['zsh', 'elsewhere/.zfunc/_rbee-keeper', { ZDOTDIR: 'elsewhere' }],
  ])('puts the script of %s into %s', async (shell, path, given) => {
    const env = Object.fromEntries(Object.entries(given).map(([name, folder]) => [name, join(home.path, folder)]));
    const { code, stdout, stderr } = await install([shell], env);
    expect({ code, stderr }).toEqual({ code: EXIT_CODES.done, stderr: '' });
    expect(stdout).toContain(`wrote ${join(home.path, path)}\n`);
    const { stdout: script } = await runKeeper(['completion', shell]);
    expect(await readFile(join(home.path, path), 'utf8')).toBe(script);
  });

  it('takes the shell from SHELL, and may be repeated', async () => {
    const env = { SHELL: '/usr/bin/fish' };
    expect((await install([], env)).stdout).toContain('wrote ');
    const again = await install([], env);
    expect(again.code).toBe(EXIT_CODES.done);
    expect(again.stdout).toContain('up to date: ');
  });

  it.each([{ SHELL: '/bin/tcsh' }, { SHELL: '' }])('asks for the shell where it has none for %j', async (env) => {
    const { code, stderr } = await install([], env);
    expect(code).toBe(EXIT_CODES.usage);
    expect(stderr).toContain('hint: name the shell: rbee-keeper completion install bash|zsh|fish');
  });

  it('says what to do next in zsh, only once', async () => {
    expect((await install(['zsh'])).stdout).toContain(`fpath=('${home.path}/.zfunc' $fpath)`);
    await writeFile(join(home.path, '.zshrc'), `fpath=('${home.path}/.zfunc' $fpath)\n`);
    expect((await install(['zsh'])).stdout).toMatch(/\nopen a new shell to use it\n$/);
  });

  it('says why it cannot write', async () => {
    await writeFile(join(home.path, '.config'), '');
    const { code, stderr } = await install(['fish']);
    expect(code).toBe(EXIT_CODES.usage);
    expect(stderr).toContain('cannot write ');
  });

  it.skipIf(spawnSync('fish', ['-c', 'true']).status !== 0)('works in a new shell', async () => {
    await install(['fish']);
    await mkdir(join(home.path, 'bin'));
    const program = join(home.path, 'bin/rbee-keeper');
    await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' --conditions=@rbee/source '${MAIN}' "$@"\n`);
    await chmod(program, 0o755);
    const env = { HOME: home.path, PATH: `${home.path}/bin:${process.env['PATH'] ?? ''}` };
    const terminal = openTerminal({ command: 'fish', args: ['-i'], env, cols: 120 });
    try {
      terminal.write("echo rea''dy\r");
      await terminal.waitFor(() => terminal.screen().includes('\nready'), 'the shell');
      terminal.write('rbee-keeper hi\t');
      await terminal.waitFor(() => terminal.screen().includes('rbee-keeper hive'), 'the completed word');
    } finally {
      await terminal.kill();
    }
  });
});
