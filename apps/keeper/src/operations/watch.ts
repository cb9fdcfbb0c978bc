import { type DownloadEvent, RbeeError } from '@rbee/contract';
import { followDownload, followFleet, followJob } from '../daemon-client/follow-streams.ts';
import { resolveDownloadId, resolveJobId } from '../daemon-client/resolve-id.ts';
import { exitCodes, worstOf } from '../errors/exit-codes.ts';
import { toFailure } from '../errors/failure.ts';
import type { CommandDeps } from './command-deps.ts';
import { jobFailure } from './job-failure.ts';
import { activeDownloads } from './lists.ts';

/** Follows downloads (ids or their beginnings) to their ends, in parallel. Returns the worst exit code. */
export async function watchEach(deps: CommandDeps, texts: readonly string[]): Promise<number> {
  const ids = new Set(await Promise.all(texts.map((text) => resolveDownloadId(deps.client, text, deps.signal))));
  await emitLimits(deps, (id) => ids.has(id));
  return worstOf(await Promise.all([...ids].map((id) => watchDownload(deps, id))));
}

/** Follows one download to its end. Returns its exit code. */
export async function watchDownload(deps: CommandDeps, id: string): Promise<number> {
  try {
    return exitCodeOf(await followDownload(deps, id));
  } catch (error) {
    if (deps.signal.aborted) return exitCodes.interrupted;
    const failure = await toFailure(error);
    deps.emit({ event: 'failure', failure });
    return failure.exitCode;
  }
}

/**
 * Follows every download of the fleet, including new ones, until the signal.
 * @throws the signal's reason; RbeeError or KeeperError where the queen cannot be followed
 */
export async function watchFleet(deps: CommandDeps): Promise<never> {
  await emitLimits(deps, () => true);
  return followFleet(deps);
}

/** Follows a job's narration from the first line to the end. Returns the exit code. */
export async function watchJob(deps: CommandDeps, text: string): Promise<number> {
  const id = await resolveJobId(deps.client, text, deps.signal);
  const end = await followJob(deps, id);
  deps.emit({ event: 'end', data: { job_id: id, ...end } });
  if (end.state === 'completed') return exitCodes.done;
  const failure = await jobFailure(deps, id, end);
  deps.emit({ event: 'failure', failure });
  return failure.exitCode;
}

/** The exit code for a download's terminal event. */
export function exitCodeOf(event: DownloadEvent): number {
  if (event.event === 'complete') return exitCodes.done;
  if (event.event === 'error') return new RbeeError(event.data.code, event.data.error).exitCode;
  return exitCodes.failed;
}

/** Limits explain a low speed, and the streams do not carry them. */
async function emitLimits(deps: CommandDeps, isWanted: (id: string) => boolean): Promise<void> {
  for (const { download_id: id, max_bandwidth: limit } of await activeDownloads(deps)) {
    if (limit && isWanted(id)) deps.emit({ event: 'limit', data: { download_id: id, max_bandwidth: limit } });
  }
}
