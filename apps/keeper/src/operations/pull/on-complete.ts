import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { exitCodes } from '../../errors/exit-codes.ts';
import { KeeperError } from '../../errors/keeper-error.ts';
import type { Io } from '../../io.ts';

/** As shells report a command that a signal ended. */
const SIGNAL_BASE = 128;

/**
 * Runs a command with the shell once all downloads are complete. The paths are its arguments (`"$1"`, `"$@"`) and in `RBEE_PATH` and
 * `RBEE_PATHS`, one on each line; none becomes part of the command. Returns its exit code.
 */
export async function runOnComplete(command: string, paths: readonly string[], io: Io): Promise<number> {
  const env = { ...io.env, RBEE_PATH: paths[0] ?? '', RBEE_PATHS: paths.join('\n') };
  // What this command prints on stdout is its result, which a script may read.
  const child = spawn('/bin/sh', ['-c', command, 'rbee', ...paths], { env, stdio: ['inherit', 2, 2] });
  const stop = () => child.kill('SIGTERM');
  const stays = io.onLeave(stop);
  io.interrupt.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => {
        reject(new KeeperError('COMMAND_FAILED', `cannot run the command of --on-complete: ${error.message}`));
      });
      child.once('close', (code, signal) => {
        if (io.interrupt.aborted) resolve(exitCodes.interrupted);
        else resolve(code ?? SIGNAL_BASE + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  } finally {
    stays();
    io.interrupt.removeEventListener('abort', stop);
  }
}
