import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchIo } from '../bench-io.ts';
import { readEnvironment } from '../environment.ts';
import { publish } from '../publish.ts';
import { parseLoadOptions } from './options.ts';
import { loadFailures, loadReport } from './report.ts';
import { runLoad } from './run-load.ts';

/** Measures and reports a fleet under load. Returns the exit code. @throws UsageError; Error when a daemon fails */
export async function loadBench(args: readonly string[], io: BenchIo): Promise<number> {
  const options = parseLoadOptions(args);
  const startedAt = new Date().toISOString();
  const environment = await readEnvironment(io.path, { programs: [], packages: ['autocannon'] });
  const folder = await mkdtemp(join(options.folder, 'rbee-bench-'));
  try {
    io.tell(`${options.clients} clients, ${options.downloads} downloads, ${options.seconds} s`);
    const result = { startedAt, environment, ...(await runLoad(options, folder, io.signal)) };
    return await publish(
      {
        ...{ name: 'load', title: 'A fleet under load', startedAt, text: loadReport(result) },
        figures: result,
        failures: loadFailures(result),
      },
      options,
      io,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
