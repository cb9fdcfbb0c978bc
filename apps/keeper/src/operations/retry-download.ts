import type { Download } from '@rbee/contract';
import { resolveDownloadId } from '../daemon-client/resolve-id.ts';
import { exitCodes, worstOf } from '../errors/exit-codes.ts';
import { toFailure } from '../errors/failure.ts';
import { KeeperError } from '../errors/keeper-error.ts';
import type { CommandDeps } from './command-deps.ts';
import { type ChosenDownloads, conflictIn } from './each-download.ts';
import { downloadsWith } from './lists.ts';
import { runJob } from './run-job.ts';
import { watchDownload } from './watch.ts';

/**
 * Retries failed or cancelled downloads, each as a new job and a new download, and follows them to their ends in parallel.
 * With `detach` it returns as soon as the queen has accepted them. Returns the worst exit code.
 */
export async function retryDownloads(
  deps: CommandDeps,
  { texts, all }: ChosenDownloads,
  detach: boolean,
  onNote: (text: string) => void,
): Promise<number> {
  const chosen = all === null ? [...new Set(texts)] : await notRetried(deps, all);
  if (chosen.length === 0) onNote('there is no failed download to retry');
  const codes = await Promise.all(chosen.map((text) => retryOne(deps, text, detach, onNote)));
  return deps.signal.aborted && !detach && chosen.length > 0 ? exitCodes.interrupted : worstOf(codes);
}

async function notRetried(deps: CommandDeps, statuses: Parameters<typeof downloadsWith>[1]): Promise<string[]> {
  const { downloads } = await deps.client.downloads({ limit: 1_000 }, deps.signal);
  const retried = new Set(downloads.map(({ retry_of: id }) => id));
  const failed = await downloadsWith(deps, statuses);
  return failed.map(({ download_id: id }) => id).filter((id) => !retried.has(id));
}

async function retryOne(
  deps: CommandDeps,
  text: string,
  detach: boolean,
  onNote: (text: string) => void,
): Promise<number> {
  try {
    const id = await resolveDownloadId(deps.client, text, deps.signal);
    const before = await deps.client.download(id, deps.signal);
    if (before.status === 'complete') return emitComplete(deps, before, onNote);
    const start = async (signal: AbortSignal) => {
      const data = await deps.client.retryDownload(id, signal);
      deps.emit({ event: 'accepted', model: before.model_ref, data });
      return data;
    };
    if (!detach) return await runJob(deps, { jobId: null, start });
    await start(deps.signal);
    return exitCodes.done;
  } catch (error) {
    return whatElse(deps, error, text, detach, onNote);
  }
}

/** What is complete needs no retry: it ends as the retry would. */
function emitComplete(deps: CommandDeps, download: Download, onNote: (text: string) => void): number {
  const { download_id, bytes, total: known, elapsed_secs: duration_secs, path, sha256 } = download;
  const total = known ?? bytes;
  onNote(`${download_id} is complete already`);
  deps.emit({ event: 'complete', data: { download_id, bytes, total, duration_secs, path: path ?? '', sha256 } });
  return exitCodes.done;
}

/** One that is running is followed in place of a retry. */
async function whatElse(
  deps: CommandDeps,
  error: unknown,
  text: string,
  detach: boolean,
  onNote: (text: string) => void,
): Promise<number> {
  if (deps.signal.reason instanceof KeeperError) throw deps.signal.reason;
  if (deps.signal.aborted) return exitCodes.interrupted;
  if (conflictIn(error) !== null) {
    const id = await resolveDownloadId(deps.client, text, deps.signal);
    onNote(`${id} has not ended: it needs no retry`);
    return detach ? exitCodes.done : watchDownload(deps, id);
  }
  const failure = await toFailure(error);
  deps.emit({ event: 'failure', failure });
  return failure.exitCode;
}
