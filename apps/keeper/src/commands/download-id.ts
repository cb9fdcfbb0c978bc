import { resolveId } from '../daemon-client/resolve-id.ts';
import type { CommandDeps } from './command-deps.ts';

/** The full id of a download, from an id or the beginning of one. */
export function resolveDownloadId({ client, signal }: CommandDeps, text: string): Promise<string> {
  return resolveId('download', text, () => client.downloadIds(signal));
}
