import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'apps/keeper/bin/rbee-keeper.js');
/** Nothing listens there: port 9 is the discard service, which no test runs. */
const NO_QUEEN = 'http://127.0.0.1:9';

await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/bundle-keeper.mjs')]);

async function keeper(...words: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [BIN, ...words], { env: { ...process.env, RBEE_QUEEN_URL: NO_QUEEN } });
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
    const quick = await readFile(join(ROOT, 'apps/keeper/dist/quick.cjs'), 'utf8');
    for (const name of ['zod', 'undici', 'eventsource', 'cli-progress']) expect(quick).not.toContain(`/${name}@`);
  });

  it('runs light commands in the quick part, and says why they fail', async () => {
    expect(await keeper('--version')).toMatchObject({ code: 0, stdout: '0.1.0\n' });
    expect(await keeper('hive', 'list')).toMatchObject({ code: 3, stdout: '' });
    const { code, stdout } = await keeper('ls', '--json');
    expect(code).toBe(3);
    expect(JSON.parse(stdout).error.code).toBe('QUEEN_UNREACHABLE');
  });

  it('hands over every other command with its options', async () => {
    expect(await keeper('pull', 'nonsense')).toMatchObject({ code: 2, stdout: '' });
    const { code, stdout } = await keeper('--json', 'model', 'plan', 'org/repo');
    expect(code).toBe(3);
    expect(JSON.parse(stdout).error.code).toBe('QUEEN_UNREACHABLE');
    expect((await keeper('download', 'watch', '--quiet')).stderr).toContain('error: no queen responds');
  });
});
