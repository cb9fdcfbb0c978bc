import { exitCodes } from './errors/exit-codes.ts';
import { runProgram } from './run.ts';

const INTERRUPTS = ['SIGINT', 'SIGTERM'] as const;
/** npm forwards a Ctrl+C that the terminal has sent already: two signals this close are one key press. */
const SAME_PRESS_MS = 200;

const interrupt = new AbortController();
const cleanUps = new Set<() => void>();

function exitNow(): never {
  for (const cleanUp of cleanUps) cleanUp();
  process.exit(exitCodes.interrupted);
}

let firstAt = Number.NEGATIVE_INFINITY;
for (const signal of INTERRUPTS) {
  process.on(signal, () => {
    if (performance.now() - firstAt < SAME_PRESS_MS) return;
    if (interrupt.signal.aborted) exitNow();
    firstAt = performance.now();
    interrupt.abort();
  });
}
// Closing the terminal ends the command, not the downloads of the queen.
process.on('SIGHUP', exitNow);
process.on('uncaughtException', (error) => {
  for (const cleanUp of cleanUps) cleanUp();
  process.stderr.write(`error: bug in rbee-keeper: ${error.message}\n`);
  process.exit(exitCodes.failed);
});
// A closed pipe (`| head -1`) is not an error, but nobody reads the output any more.
process.stdout.on('error', exitNow);
process.stderr.on('error', exitNow);

void runProgram(process.argv.slice(2), {
  env: process.env,
  // Opened only when it is read.
  get stdin() {
    return process.stdin;
  },
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
