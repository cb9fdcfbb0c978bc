// Everything that must hold before a change lands: format, lint, types, dead code, layering, tests. The checks run in
// parallel, the tests after them. Every problem shows in one run: a failed check does not stop the others.
import { spawn, spawnSync } from 'node:child_process';

const CHECKS = [
  ['format and lint', 'biome', ['check', '--error-on-warnings', '.']],
  ['types of the tests', 'tsc', ['-p', 'tsconfig.test.json']],
  ['types of the benchmarks', 'tsc', ['-p', 'bench']],
  ['dead code', 'knip', []],
  ['layering', 'depcruise', ['--config', '.dependency-cruiser.mjs', 'packages', 'apps', 'bench', 'e2e']],
];
const TESTS = ['vitest', ['run', '--config', 'vitest.workspace.ts']];
const PARALLEL_CHECKS = 2;

const waiting = [...CHECKS];
const failed = [];
await Promise.all(Array.from({ length: PARALLEL_CHECKS }, runChecks));
if (!process.argv.includes('--no-tests')) {
  process.stdout.write('check: tests\n');
  if (spawnSync(...TESTS, { stdio: 'inherit' }).status !== 0) failed.push('tests');
}
if (failed.length > 0) {
  process.stdout.write(`check: failed: ${failed.join(', ')}\n`);
  process.exit(1);
}

async function runChecks() {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [name, command, args] = next;
    const { code, output } = await run(command, args);
    process.stdout.write(`check: ${name}\n${output}`);
    if (code !== 0) failed.push(name);
  }
}

/** The output is kept until the end, so that two checks do not mix. */
function run(command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: 1, output: `${error.message}\n` }));
    child.once('close', (code) => resolve({ code, output }));
  });
}
