import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '@rbee/contract/plain';

/** Where a folder cannot be opened or synced (EISDIR, EINVAL, ENOTSUP), or is gone (ENOENT, ENOTDIR), there is nothing to make durable. */
const HARMLESS_CODES: readonly (string | null)[] = ['EISDIR', 'EINVAL', 'ENOTSUP', 'ENOENT', 'ENOTDIR'];

/** Makes the names inside a folder durable: a rename survives power loss only after this. A folder that is gone is fine. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!HARMLESS_CODES.includes(errnoOf(error))) throw error;
  }
}

/** Makes a folder with its parents, each of which is synced where it is new. */
export async function makeFolder(folder: string): Promise<void> {
  const firstMade = await mkdir(folder, { recursive: true });
  if (firstMade === undefined) return;
  // Every new name has to be synced in its parent, from the deepest one up to the parent of the first new folder.
  for (let made = folder; made.length >= firstMade.length; made = dirname(made)) await syncFolder(dirname(made));
}
