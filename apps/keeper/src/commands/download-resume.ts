import type { Download } from '@rbee/contract';
import type { CommandDeps } from './command-deps.ts';
import { resolveDownloadId } from './download-id.ts';

/** Puts a paused download (an id, or the beginning of one) back into the queue. */
export async function downloadResume(deps: CommandDeps, text: string): Promise<Download> {
  return deps.client.resumeDownload(await resolveDownloadId(deps, text), deps.signal);
}
