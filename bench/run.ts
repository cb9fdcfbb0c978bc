// `npm run bench -- NAME`: measures what the project is about, beside what others reach on the same machine.
import { constants } from 'node:os';
import { UsageError } from './src/arguments.ts';
import type { BenchIo } from './src/bench-io.ts';
import { cliBench } from './src/cli/command.ts';
import { cliUsage } from './src/cli/options.ts';
import { downloadBench } from './src/download/command.ts';
import { downloadUsage } from './src/download/options.ts';
import { filesBench } from './src/files/command.ts';
import { filesUsage } from './src/files/options.ts';
import { loadBench } from './src/load/command.ts';
import { loadUsage } from './src/load/options.ts';
import { relayBench } from './src/relay/command.ts';
import { relayUsage } from './src/relay/options.ts';
import { storeBench } from './src/store/command.ts';
import { storeUsage } from './src/store/options.ts';

interface Bench {
  readonly usage: string;
  run(args: readonly string[], io: BenchIo): Promise<number>;
}

const benches: Readonly<Record<string, Bench>> = {
  download: { usage: downloadUsage, run: downloadBench },
  files: { usage: filesUsage, run: filesBench },
  relay: { usage: relayUsage, run: relayBench },
  store: { usage: storeUsage, run: storeBench },
  cli: { usage: cliUsage, run: cliBench },
  load: { usage: loadUsage, run: loadBench },
};
const usageExitCode = 2;
const signalExitCode = 128;

const [name, ...args] = process.argv.slice(2);
const bench = name === undefined ? undefined : benches[name];
const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    process.exitCode = signalExitCode + constants.signals[signal];
    abort.abort(new Error(`ended by ${signal}`));
  });
}
const wantsHelp = args.includes('--help') || args.includes('-h');
if (bench === undefined || wantsHelp) {
  process.stdout.write(
    bench?.usage ??
      Object.values(benches)
        .map(({ usage }) => usage)
        .join('\n'),
  );
  process.exitCode = wantsHelp ? 0 : usageExitCode;
} else {
  try {
    process.exitCode = await bench.run(args, {
      signal: abort.signal,
      print: (text) => process.stdout.write(text),
      tell: (line) => process.stderr.write(`bench: ${line}\n`),
      path: process.env.PATH ?? '',
    });
  } catch (error) {
    process.exitCode = error instanceof UsageError ? usageExitCode : (process.exitCode ?? 1);
    process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
  }
}
