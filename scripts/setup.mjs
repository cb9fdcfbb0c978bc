// Sets up the project where needed: installs packages, then builds. Runs on the machine's own Node.js (20 or newer), so it uses
// nothing but Node's built-in modules. Quick when there is nothing to do.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PNPM } from './pnpm.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = join(root, 'node_modules', '.rbee-setup');

function manifests() {
  const workspaces = ['packages', 'apps'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(root, folder, name, 'package.json')),
  );
  return ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml', 'bench/package.json']
    .map((name) => join(root, name))
    .concat(workspaces)
    .filter((file) => existsSync(file));
}

function fingerprint() {
  const hash = createHash('sha256');
  for (const file of manifests()) hash.update(file.slice(root.length)).update('\0').update(readFileSync(file));
  return hash.digest('hex');
}

/** Runs a command and shows its output on stderr; exits with its code when it fails. */
function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status === 0) return;
  process.stderr.write(
    `setup: "${command} ${args.join(' ')}" failed${result.error ? `: ${result.error.message}` : ''}\n`,
  );
  process.exit(result.status ?? 1);
}

const wanted = fingerprint();
const found = existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : '';
if (found !== wanted) {
  process.stderr.write('setup: installing packages\n');
  run('npx', ['-y', PNPM, 'install', '--frozen-lockfile', '--loglevel=error']);
  writeFileSync(stampFile, wanted);
}
run(join(root, 'node_modules', '.bin', 'tsc'), ['-b']);
for (const script of ['bundle-keeper.mjs', 'man-page.mjs']) {
  run(join(root, 'node_modules', '.bin', 'node'), [join(root, 'scripts', script)]);
}
