import { exitCodes } from './errors/exit-codes.ts';
import { runProgram } from './run.ts';

const INTERRUPTS = ['SIGINT', 'SIGTERM'] as const;
/** npm passes a Ctrl+C on to a program that had it from the terminal already: two so close are one. */
const SAME_PRESS_MS = 200;

const interrupt = new AbortController();
const cleanUps = new Set<() => void>();

function leaveAtOnce(): never {
  for (const cleanUp of cleanUps) cleanUp();
  process.exit(exitCodes.interrupted);
}

let firstAt = Number.NEGATIVE_INFINITY;
for (const signal of INTERRUPTS) {
  process.on(signal, () => {
    if (performance.now() - firstAt < SAME_PRESS_MS) return;
    if (interrupt.signal.aborted) leaveAtOnce();
    firstAt = performance.now();
    interrupt.abort();
  });
}
// A terminal that closes takes the command with it and leaves the downloads of a queen alone.
process.on('SIGHUP', leaveAtOnce);
process.on('uncaughtException', (error) => {
  for (const cleanUp of cleanUps) cleanUp();
  process.stderr.write(`error: rbee-keeper itself went wrong: ${error.message}\n`);
  process.exit(exitCodes.failed);
});
// A reader that has gone away (`| head -1`) is no error worth a word, but there is nobody left to work for.
process.stdout.on('error', leaveAtOnce);
process.stderr.on('error', leaveAtOnce);

void runProgram(process.argv.slice(2), {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  interrupt: interrupt.signal,
  onLeave(cleanUp) {
    cleanUps.add(cleanUp);
    return () => cleanUps.delete(cleanUp);
  },
  now: Date.now,
}).then((code) => {
  process.exitCode = code;
});
