import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchIo } from '../bench-io.ts';
import { readEnvironment } from '../environment.ts';
import { publish } from '../publish.ts';
import { parseStoreOptions } from './options.ts';
import { storeFailures, storeReport } from './report.ts';
import { runStoreScenario } from './run-scenario.ts';
import { type StoreScenarioResult, storeScenarios } from './scenarios.ts';

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
    return await publish(
      {
        ...{ name: 'store', title: 'Plans and lists', startedAt, text: storeReport(result) },
        figures: result,
        failures: storeFailures(scenarios),
      },
      options,
      io,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
