import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { tempDir } from '@rbee/testing';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const HOME = join(ROOT, 'apps/keeper');
/** Nothing listens there: port 9 is the discard service, which no test runs. */
const NO_QUEEN = 'http://127.0.0.1:9';

await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/bundle-keeper.mjs')]);

function keeper(...words: string[]) {
  return keeperIn(HOME, ...words);
}

/** Runs the keeper that is installed in a folder. */
async function keeperIn(home: string, ...words: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const bin = join(home, 'bin/rbee-keeper.js');
  const child = spawn(process.execPath, [bin, ...words], { env: { ...process.env, RBEE_QUEEN_URL: NO_QUEEN } });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

/** Goal: the two bundled files behave like the unbundled program. Failure shows as another exit code or text. */
describe('the bundled keeper', () => {
  it('has neither schemas nor streams in the part that loads first', async () => {
    const quick = await readFile(join(HOME, 'dist/quick.cjs'), 'utf8');
    for (const name of ['zod', 'undici', 'eventsource', 'cli-progress']) expect(quick).not.toContain(`/${name}@`);
  });

  it('runs light commands in the quick part, and says why they fail', async () => {
    expect(await keeper('--version')).toMatchObject({ code: 0, stdout: '0.1.0\n' });
    expect(await keeper('hive', 'list')).toMatchObject({ code: 3, stdout: '' });
    const { code, stdout } = await keeper('ls', '--json');
    expect(code).toBe(3);
    expect(JSON.parse(stdout).error.code).toBe('QUEEN_UNREACHABLE');
  });

  it('runs light commands without any other file', async () => {
    const folder = await tempDir();
    await mkdir(join(folder.path, 'dist'));
    for (const name of ['bin', 'package.json', 'dist/quick.cjs']) {
      await cp(join(HOME, name), join(folder.path, name), { recursive: true });
    }
    const lists = [['ls'], ['model', 'list'], ['download', 'list'], ['job', 'list'], ['hive', 'list'], ['status']];
    for (const words of lists) {
      const { code, stderr } = await keeperIn(folder.path, ...words);
      expect({ code, stderr }, words.join(' ')).toEqual({
        code: 3,
        stderr: expect.stringContaining('no queen responds'),
      });
    }
    for (const words of [[], ['model', '--help'], ['completion', 'bash'], ['__complete', 'hive', 'limit', '']]) {
      expect(await keeperIn(folder.path, ...words), words.join(' ')).toMatchObject({ code: 0, stderr: '' });
    }
    expect((await keeperIn(folder.path, 'doctor')).stderr).toContain("Cannot find module './full.cjs'");
    await folder.remove();
  });

  it('hands over every other command with its options', async () => {
    expect(await keeper('pull', 'nonsense')).toMatchObject({ code: 2, stdout: '' });
    const { code, stdout } = await keeper('--json', 'model', 'plan', 'org/repo');
    expect(code).toBe(3);
    expect(JSON.parse(stdout).error.code).toBe('QUEEN_UNREACHABLE');
    expect((await keeper('download', 'watch', '--quiet')).stderr).toContain('error: no queen responds');
  });
});
