// Everything that must hold before a change lands: format, lint, types, dead code, layering, tests. Runs all of them
// and fails if one failed, so that one run shows every problem.
import { spawnSync } from 'node:child_process';

const CHECKS = [
  ['format and lint', 'biome', ['check', '--error-on-warnings', '.']],
  ['types of the tests', 'tsc', ['-p', 'tsconfig.test.json']],
  ['types of the benchmarks', 'tsc', ['-p', 'bench']],
  ['dead code', 'knip', []],
  ['layering', 'depcruise', ['--config', '.dependency-cruiser.mjs', 'packages', 'apps', 'bench', 'e2e']],
  ['tests', 'vitest', ['run', '--config', 'vitest.workspace.ts']],
];

const only = process.argv.includes('--no-tests') ? CHECKS.slice(0, -1) : CHECKS;
const failed = [];
for (const [name, command, args] of only) {
  process.stdout.write(`check: ${name}\n`);
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) failed.push(name);
}
if (failed.length > 0) {
  process.stdout.write(`check: failed: ${failed.join(', ')}\n`);
  process.exit(1);
}
