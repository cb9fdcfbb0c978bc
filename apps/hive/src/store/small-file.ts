import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** The text of a small file of the store; null if there is anything else, such as a folder, or a pipe that never ends. */
export async function readSmallFile(path: string, maxBytes: number, flags = 0): Promise<string | null> {
  // Without O_NONBLOCK, opening a pipe would wait for somebody to write into it, and hold a thread forever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  try {
    const stats = await file.stat();
    return stats.isFile() && stats.size <= maxBytes ? await file.readFile('utf8') : null;
  } finally {
    await file.close();
  }
}
