import { resolveDownloadId } from '../daemon-client/resolve-id.ts';
import { exitCodes } from '../errors/exit-codes.ts';
import type { CommandDeps } from './command-deps.ts';
import { runJob } from './run-job.ts';

/**
 * Retries a failed or cancelled download as a new job and a new download, and follows that to its end. With `detach` it
 * returns as soon as the queen has accepted it. Returns the exit code.
 */
export async function retryDownload(deps: CommandDeps, text: string, detach: boolean): Promise<number> {
  const id = await resolveDownloadId(deps.client, text, deps.signal);
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
