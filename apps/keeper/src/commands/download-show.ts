import type { Download } from '@rbee/contract';
import type { CommandDeps } from './command-deps.ts';
import { resolveDownloadId } from './download-id.ts';

/** One download, by its id or the beginning of one. */
export async function downloadShow(deps: CommandDeps, text: string): Promise<Download> {
  return deps.client.download(await resolveDownloadId(deps, text), deps.signal);
}
