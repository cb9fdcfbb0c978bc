// `npm run bench -- NAME`: measures what the project is about, beside what others reach on the same machine.
import { constants } from 'node:os';
import { cliBench } from './src/cli/command.ts';
import { cliUsage } from './src/cli/options.ts';
import { downloadBench } from './src/download/command.ts';
import { UsageError, usage } from './src/download/options.ts';
import { storeBench } from './src/store/command.ts';
import { storeUsage } from './src/store/options.ts';

const usageExitCode = 2;
const signalExitCode = 128;

const benches = new Map([
  ['download', { run: downloadBench, usage }],
  ['cli', { run: cliBench, usage: cliUsage }],
  ['store', { run: storeBench, usage: storeUsage }],
]);

const [name, ...args] = process.argv.slice(2);
const bench = benches.get(name ?? '');
const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    process.exitCode = signalExitCode + constants.signals[signal];
    abort.abort(new Error(`ended by ${signal}`));
  });
}
const wantsHelp = args.includes('--help') || args.includes('-h');
if (bench === undefined || wantsHelp) {
  process.stdout.write(bench?.usage ?? [...benches.values()].map((each) => each.usage).join('\n'));
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
