import { exitCodes } from '../errors/exit-codes.ts';
import type { CommandDeps } from './command-deps.ts';
import { resolveDownloadId } from './download-id.ts';
import { runJob } from './run-job.ts';

/**
 * Starts a failed or cancelled download (an id, or the beginning of one) again, as a new job and a new download, and
 * follows that to its end; with `detach` it leaves once the queen has taken it. Returns the exit code.
 */
export async function downloadRetry(deps: CommandDeps, text: string, detach: boolean): Promise<number> {
  const id = await resolveDownloadId(deps, text);
  const { model_ref: model } = await deps.client.download(id, deps.signal);
  const start = async (signal: AbortSignal) => {
    const data = await deps.client.retryDownload(id, signal);
    deps.emit({ event: 'accepted', model, data });
    return data;
  };
  if (!detach) return runJob(deps, { jobId: null, start });
  await start(deps.signal);
  return exitCodes.done;
}
