import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchIo } from '../bench-io.ts';
import { readEnvironment } from '../environment.ts';
import { parseStoreOptions } from './options.ts';
import { storeFailures, storeReport } from './report.ts';
import { runStoreScenario } from './run-scenario.ts';
import { type StoreScenarioResult, storeScenarios } from './scenarios.ts';

const savedFile = fileURLToPath(new URL('../../results/store.md', import.meta.url));

/** Measures and reports plans and lists. Returns the exit code. @throws UsageError; Error when the hive fails */
export async function storeBench(args: readonly string[], io: BenchIo): Promise<number> {
  const options = parseStoreOptions(args);
  const startedAt = new Date().toISOString();
  const environment = await readEnvironment(io.path, { programs: [], packages: [] });
  const folder = await mkdtemp(join(options.folder, 'rbee-bench-'));
  try {
    const scenarios: StoreScenarioResult[] = [];
    for (const { name, title } of storeScenarios) {
      io.tell(`${name}: ${title}`);
      scenarios.push(await runStoreScenario(name, options, join(folder, name), io.signal));
    }
    const result = { startedAt, environment, rounds: options.rounds, scenarios };
    const text = storeReport(result);
    io.print(`${text}\n`);
    if (options.jsonFile !== null) await writeFile(options.jsonFile, `${JSON.stringify(result, null, 2)}\n`);
    if (options.isSaved) await save(startedAt, text);
    if (!options.isGate) return 0;
    const failures = storeFailures(scenarios);
    for (const line of failures) io.tell(`gate: ${line}`);
    io.tell(failures.length === 0 ? 'gate: passed' : 'gate: not passed');
    return failures.length === 0 ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function save(startedAt: string, text: string): Promise<void> {
  await mkdir(dirname(savedFile), { recursive: true });
  const origin = 'Written by `npm run bench -- store --save`; [what it means](../README.md).';
  await writeFile(savedFile, `# Plans and lists, measured ${startedAt.slice(0, 10)}\n\n${origin}\n\n${text}\n`);
}
