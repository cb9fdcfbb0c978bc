// `npm run bench -- NAME`: measures what the project promises, next to other programs on the same machine.
import { constants } from 'node:os';
import { benches } from './src/benches.ts';
import { UsageError } from './src/options.ts';

const usageExitCode = 2;
const signalExitCode = 128;

const [name, ...args] = process.argv.slice(2);
const bench = benches.find((each) => each.name === name);
const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    process.exitCode = signalExitCode + constants.signals[signal];
    abort.abort(new Error(`ended by ${signal}`));
  });
}
const wantsHelp = [name, ...args].some((word) => word === '--help' || word === '-h');
if (bench === undefined || wantsHelp) {
  process.stdout.write(bench?.usage ?? benches.map(({ usage }) => usage).join('\n'));
  process.exitCode = wantsHelp ? 0 : usageExitCode;
} else {
  try {
    process.exitCode = await bench.run(args, {
      signal: abort.signal,
      print: (text) => process.stdout.write(text),
      log: (line) => process.stderr.write(`bench: ${line}\n`),
      path: process.env.PATH ?? '',
    });
  } catch (error) {
    process.exitCode = error instanceof UsageError ? usageExitCode : (process.exitCode ?? 1);
    process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
  }
}
