import type { DownloadEvent } from '@rbee/contract';
import { RbeeError } from '@rbee/contract';
import { followDownload } from '../daemon-client/follow-streams.ts';
import { exitCodes, worstOf } from '../errors/exit-codes.ts';
import { toFailure } from '../errors/failure.ts';
import type { CommandDeps } from './command-deps.ts';

/** Follows downloads to their ends, side by side, and returns the exit code of the worst. */
export async function followDownloads(deps: CommandDeps, ids: readonly string[]): Promise<number> {
  const codes = ids.map(async (id) => {
    try {
      return exitCodeOf(await followDownload(deps, id));
    } catch (error) {
      if (deps.signal.aborted) return exitCodes.interrupted;
      const failure = await toFailure(error);
      deps.emit({ event: 'failure', failure });
      return failure.exitCode;
    }
  });
  return worstOf(await Promise.all(codes));
}

/** What a download's terminal event means for the command that waited for it. */
export function exitCodeOf(event: DownloadEvent): number {
  if (event.event === 'complete') return exitCodes.done;
  if (event.event === 'error') return new RbeeError(event.data.code, event.data.error).exitCode;
  return exitCodes.failed;
}
