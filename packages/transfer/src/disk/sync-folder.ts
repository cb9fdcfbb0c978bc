import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../http/http-error.ts';

/** Systems where a folder cannot be opened or synced answer with one of these. */
const UNSUPPORTED_CODES: readonly (string | null)[] = ['EISDIR', 'EINVAL', 'ENOTSUP'];

/** Makes the names inside a folder durable: a rename survives power loss only after this. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!UNSUPPORTED_CODES.includes(codeOf(error))) throw error;
  }
}

/** Makes a folder with its parents, each of which is synced where it is new. */
export async function makeFolder(folder: string): Promise<void> {
  const firstMade = await mkdir(folder, { recursive: true });
  if (firstMade === undefined) return;
  // Every new name has to be synced in its parent, from the deepest one up to the parent of the first new folder.
  for (let made = folder; made.length >= firstMade.length; made = dirname(made)) await syncFolder(dirname(made));
}
