import type { Download } from '@rbee/contract';
import type { CommandDeps } from './command-deps.ts';
import { resolveDownloadId } from './download-id.ts';

/** Stops a download (an id, or the beginning of one) for a while; answers when its bytes have stopped. */
export async function downloadPause(deps: CommandDeps, text: string): Promise<Download> {
  return deps.client.pauseDownload(await resolveDownloadId(deps, text), deps.signal);
}
