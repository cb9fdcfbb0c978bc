import { getSystemErrorMessage } from 'node:util';
import { exitCodes } from './errors/exit-codes.ts';
import { ReaderGone, type Suspendable } from './io.ts';
import { textOutput } from './output.ts';
import { runProgram } from './run.ts';

const INTERRUPTS = ['SIGINT', 'SIGTERM'] as const;
/** npm forwards a Ctrl+C that the terminal has sent already: two signals this close are one key press. */
const SAME_PRESS_MS = 200;
/** Set by `bin/rbee-keeper.js`: Node.js forgets that it was started with an ignored SIGHUP, as by `nohup`. */
const HANGUP_IGNORED = 'RBEE_KEEPER_HANGUP_IGNORED';
/** The reader of a pipe has left, or the terminal was closed. */
const GONE: readonly unknown[] = ['EPIPE', 'EIO', 'ECONNRESET'];

const interrupt = new AbortController();
const cleanUps = new Set<() => void>();
const drawings = new Set<Suspendable>();

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
const isHangupIgnored = process.env[HANGUP_IGNORED] !== undefined;
delete process.env[HANGUP_IGNORED];
process.on('SIGHUP', () => {
  if (!isHangupIgnored) interrupt.abort();
});
process.on('uncaughtException', (error) => {
  for (const cleanUp of cleanUps) cleanUp();
  stderr.write(`error: bug in rbee-keeper: ${error.message}\n`);
  process.exit(exitCodes.failed);
});

/** Ctrl+Z, while something is drawn: the process stops itself, so that the terminal can be given back before. */
function onStop(): void {
  for (const drawing of drawings) drawing.suspend();
  process.off('SIGTSTP', onStop);
  process.kill(process.pid, 'SIGTSTP');
  // It continues here: the signal takes effect before `kill` returns.
  process.on('SIGTSTP', onStop);
  for (const drawing of drawings) drawing.resume();
}

let writeError: NodeJS.ErrnoException | null = null;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  const isReaderGone = GONE.includes(error.code);
  if (!isReaderGone && writeError === null) {
    writeError = error;
    const why = error.errno === undefined ? error.message : getSystemErrorMessage(error.errno);
    stderr.write(`error: cannot write: ${why}\n`);
    process.exitCode = exitCodes.failed;
  }
  // Nobody can see results any more: the command ends as on Ctrl+C.
  interrupt.abort(isReaderGone ? new ReaderGone() : error);
});
// Where nobody reads the errors, the exit code still tells.
process.stderr.on('error', () => {});

const stdout = textOutput(process.stdout, process.env);
const stderr = textOutput(process.stderr, process.env);
void runProgram(process.argv.slice(2), {
  env: process.env,
  // Opened only when it is read.
  get stdin() {
    return process.stdin;
  },
  stdout,
  stderr,
  interrupt: interrupt.signal,
  onLeave(cleanUp) {
    cleanUps.add(cleanUp);
    return () => cleanUps.delete(cleanUp);
  },
  onSuspend(drawing) {
    if (drawings.size === 0) process.on('SIGTSTP', onStop);
    drawings.add(drawing);
    return () => {
      drawings.delete(drawing);
      if (drawings.size === 0) process.off('SIGTSTP', onStop);
    };
  },
  now: Date.now,
}).then((code) => {
  process.exitCode = writeError === null ? code : exitCodes.failed;
});
