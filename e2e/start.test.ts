import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProgram, tempDir } from '@rbee/testing';
import { describe, expect, it } from 'vitest';
import { daemonsOf } from '../apps/keeper/test/support/daemons-of.ts';

const SCRIPT = join(fileURLToPath(new URL('..', import.meta.url)), 'scripts/start.mjs');

describe('npm start', () => {
  it('[I6] shows the percent without a terminal, then the path, and leaves nothing running', async () => {
    const home = await tempDir();
    const program = await startProgram({ command: process.execPath, args: [SCRIPT], env: { HOME: home.path } });
    const { code } = await program.exited;
    expect({ code, stderr: program.stderr() }).toMatchObject({ code: 0 });
    expect(existsSync(program.stdout().trim())).toBe(true);
    const shown = [...program.stderr().matchAll(/^sample\.gguf: downloading, .*? \((\d+\.\d)%\)/gm)].map(
      ([, percent]) => Number(percent),
    );
    expect(shown.length).toBeGreaterThan(2);
    expect(shown).toEqual([...new Set(shown)].sort((a, b) => a - b));
    expect(program.stdout() + program.stderr()).not.toMatch(/[^\P{Cc}\n]/u);
    expect(daemonsOf(home)).toEqual([]);
    await home.remove();
  });
});
