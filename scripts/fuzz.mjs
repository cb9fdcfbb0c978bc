// Runs the properties of every parser of outside input (`*.fuzz.test.ts`) with 100,000 cases each, or RBEE_FUZZ_RUNS. Each run has
// a new seed and prints it; RBEE_FUZZ_SEED repeats a run. Arguments choose files: those whose path contains one of them.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SEEDS = 2 ** 31 - 1;
const runs = process.env.RBEE_FUZZ_RUNS ?? '100000';
const seed = process.env.RBEE_FUZZ_SEED ?? String(randomInt(SEEDS));
const root = fileURLToPath(new URL('..', import.meta.url));
const words = process.argv.slice(2);
const all = globSync('{packages,apps}/*/test/**/*.fuzz.test.ts', { cwd: root }).sort();
const files = words.length === 0 ? all : all.filter((path) => words.some((word) => path.includes(word)));
if (files.length === 0) {
  console.error(`no file of properties has ${words.join(' or ')} in its path; there are:\n${all.join('\n')}`);
  process.exit(1);
}

console.log(`${runs} cases of each property; RBEE_FUZZ_SEED=${seed} npm run fuzz repeats them`);
const { status } = spawnSync('vitest', ['run', '--config', 'vitest.workspace.ts', '--project', 'unit', ...files], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, RBEE_FUZZ_RUNS: runs, RBEE_FUZZ_SEED: seed },
});
process.exitCode = status ?? 1;
