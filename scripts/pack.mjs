// Packs every published package as a tarball for npm: `node scripts/pack.mjs FOLDER`. Packs the build as it is: run
// `npm run setup` first.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PNPM } from './pnpm.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: node scripts/pack.mjs FOLDER\n');
  process.exit(2);
}

const published = ['packages', 'apps'].flatMap((home) =>
  readdirSync(join(root, home))
    .map((name) => JSON.parse(readFileSync(join(root, home, name, 'package.json'), 'utf8')))
    .filter((manifest) => manifest.private !== true)
    .map(({ name }) => name),
);
mkdirSync(folder, { recursive: true });
const filters = published.map((name) => `--filter=${name}`);
const args = ['-y', PNPM, '-r', ...filters, 'pack', '--pack-destination', resolve(folder)];
const { status } = spawnSync('npx', args, { cwd: root, stdio: ['ignore', 2, 2] });
process.exit(status ?? 1);
