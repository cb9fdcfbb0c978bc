import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '@rbee/contract/plain';

/** The system does not sync folders (EISDIR, EINVAL, ENOTSUP), or the folder is gone (ENOENT, ENOTDIR): nothing to make durable. */
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

/** Creates a folder with its parents and syncs every new name. */
export async function makeFolder(folder: string): Promise<void> {
  const firstCreated = await mkdir(folder, { recursive: true });
  if (firstCreated === undefined) return;
  // Every new name has to be synced in its parent, from the deepest one up to the parent of the first new folder.
  for (let made = folder; made.length >= firstCreated.length; made = dirname(made)) await syncFolder(dirname(made));
}
