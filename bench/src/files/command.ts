import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchIo } from '../bench-io.ts';
import { readEnvironment } from '../environment.ts';
import { publish } from '../publish.ts';
import { contenders } from './contenders.ts';
import { startFarHub } from './far-hub.ts';
import { bytesOf, model } from './model.ts';
import { type FilesOptions, parseFilesOptions } from './options.ts';
import { filesFailures, filesReport } from './report.ts';
import type { Samples } from './results.ts';
import { runRounds } from './run-rounds.ts';

/** As scenario `rtt` of the bench of downloads. */
const line = { delayMs: 20, bytesPerSecond: 60e6 } as const;

/** Measures and reports a model of many files. Returns the exit code. @throws UsageError; Error when a contender fails */
export async function filesBench(args: readonly string[], io: BenchIo): Promise<number> {
  const options = parseFilesOptions(args);
  const startedAt = new Date().toISOString();
  const environment = await readEnvironment(io.path, { programs: [], packages: ['@huggingface/hub'] });
  const folder = await mkdtemp(join(options.folder, 'rbee-bench-'));
  try {
    const samples = await measure(options, folder, io);
    const { rounds } = options;
    const result = {
      ...{ startedAt, environment, rounds, samples },
      ...{ files: Object.keys(model).length, bytes: bytesOf(model) },
    };
    return await publish(
      {
        ...{ name: 'files', title: 'A model of many files', startedAt, text: filesReport(result) },
        figures: result,
        failures: filesFailures(samples),
      },
      options,
      io,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure({ rounds }: FilesOptions, folder: string, { signal, tell }: BenchIo): Promise<Samples> {
  const hub = await startFarHub({ files: model, line }, signal);
  try {
    return await runRounds({
      ...{ contenders, rounds, hub, folder, signal },
      onRun: (round, name, ms) => {
        tell(`${round === 0 ? 'discarded' : `round ${round}/${rounds}`}: ${name} ${ms.toFixed(0)} ms`);
      },
    });
  } finally {
    await hub.stop();
  }
}
