import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { generateBytes, startHub, startProgram, type TempDir, type TestHub, tempDir } from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// Goal: the published packages work without the rest of the project. Method: pack every package as for a release, install the
// tarballs with npm in an empty folder, and run the programs installed there. Failure shows as a file that was not packed, a
// dependency that only the workspace has, or a program that does not find another.

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const INSTALL_TIMEOUT_MS = 300_000;
/** The programs' first line looks up node on the path: the one that runs the tests. */
const PATH = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`;

const isQueenHere = await fetch('http://127.0.0.1:7833/health').then(
  () => true,
  () => false,
);
const FILE = { size: 3_000_000, seed: 3 };

let folder: TempDir;
let hub: TestHub;
let tarballs: string[];
beforeAll(async () => {
  folder = await tempDir();
  hub = await startHub();
  const packed = join(folder.path, 'packed');
  await run(process.execPath, [join(ROOT, 'scripts/pack.mjs'), packed], { env: { ...process.env, PATH } });
  tarballs = (await readdir(packed)).map((name) => join(packed, name));
  const home = join(folder.path, 'home');
  await mkdir(home);
  await writeFile(join(home, 'package.json'), '{ "private": true }\n');
  // npm takes packages from its cache where it can.
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', ...tarballs];
  await run('npm', args, { cwd: home, env: { ...process.env, PATH }, timeout: INSTALL_TIMEOUT_MS });
}, INSTALL_TIMEOUT_MS);
afterAll(async () => {
  await hub.close();
  await folder.remove();
});

const installed = (...parts: string[]) => join(folder.path, 'home', 'node_modules', ...parts);

async function program(name: string, args: readonly string[], env: Record<string, string> = {}) {
  const started = await startProgram({
    command: installed('.bin', name),
    args,
    cwd: folder.path,
    env: { PATH, HOME: join(folder.path, 'user'), ...env },
  });
  const { code } = await started.exited;
  return { code, stdout: started.stdout(), stderr: started.stderr() };
}

describe('the published packages', () => {
  it('have licence, description and the version of the project, and no tests or sources', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const changes = await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8');
    expect(changes).toContain(`## ${version}\n`);
    expect(tarballs).toHaveLength(11);
    for (const tarball of tarballs) {
      const { stdout } = await run('tar', ['-tzf', tarball]);
      const files = stdout.trim().split('\n');
      expect(files, tarball).toEqual(expect.arrayContaining(['package/LICENSE', 'package/README.md']));
      expect(
        files.filter((file) => !/^package\/(?:LICENSE|README\.md|package\.json|(?:bin|dist)\/)/.test(file)),
      ).toEqual([]);
      expect(files.filter((file) => /\.map$|(?<!\.d)\.ts$/.test(file))).toEqual([]);
      const manifest = JSON.parse((await run('tar', ['-xzOf', tarball, 'package/package.json'])).stdout) as object;
      expect(manifest).toMatchObject({ version, license: 'MIT', engines: { node: '>=24' } });
      expect(JSON.stringify(manifest)).not.toMatch(/workspace:|\/src\//);
    }
  });

  it('can be imported and have types', async () => {
    const libraries = (await readdir(installed('@rbee'))).map((name) => `@rbee/${name}`);
    expect(libraries).toHaveLength(8);
    const script = `for (const name of ${JSON.stringify(libraries)}) if (Object.keys(await import(name)).length === 0) throw new Error(name)`;
    await run(process.execPath, ['--input-type=module', '-e', script], { cwd: dirname(installed()) });
    for (const name of libraries) expect(await readdir(installed(name, 'dist'))).toContain('index.d.ts');
  });

  it('have a manual page of the keeper under both of its names', async () => {
    const { man } = JSON.parse(await readFile(installed('rbee-keeper', 'package.json'), 'utf8')) as { man: string[] };
    expect(man.map((path) => basename(path))).toEqual(['rbee-keeper.1', 'rbee.1']);
    const [page = '', other = ''] = await Promise.all(
      man.map((path) => readFile(installed('rbee-keeper', path), 'utf8')),
    );
    expect(page).toMatch(/^\.TH RBEE-KEEPER 1 /);
    expect(page).toContain('.SS "model download [options] [model...]"');
    expect(other).toBe('.so man1/rbee-keeper.1\n');
  });

  it('have daemons that print their version, help and configuration', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await program('rbee-hive', ['--version'])).toEqual({
      code: 0,
      stdout: `rbee-hive ${version}\n`,
      stderr: '',
    });
    expect(await program('rbee-queen', ['--help'])).toMatchObject({ code: 0, stderr: '' });
    const printed = await program('rbee-queen', ['--print-config', '--port', '1']);
    expect(printed).toMatchObject({ code: 0, stdout: expect.stringContaining('port = 1 # --port') });
  });

  // A queen on the default port would be used instead.
  it.skipIf(isQueenHere)('have a keeper that runs a queen and a hive of its own, and downloads', async () => {
    hub.addRepo({ id: 'org/sample', files: { 'sample.gguf': FILE } });
    const { code, stdout, stderr } = await program('rbee', ['model', 'download', 'hf:org/sample::file=sample.gguf'], {
      HF_ENDPOINT: hub.url,
      RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
    });
    expect(stderr).toMatch(/queen/);
    expect(code).toBe(0);
    expect((await readFile(stdout.trim())).equals(generateBytes(FILE))).toBe(true);
  });
});
