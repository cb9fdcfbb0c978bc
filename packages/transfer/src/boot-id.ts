import { readFile } from 'node:fs/promises';

const bootIdPath = '/proc/sys/kernel/random/boot_id';

/** Tells one start of the system from the next; null where the system does not say. */
export async function readBootId(): Promise<string | null> {
  try {
    const text = (await readFile(bootIdPath, 'utf8')).trim();
    return /^[0-9a-f-]{36}$/.test(text) ? text : null;
  } catch {
    // Only Linux has it. Without it nothing counts but what is synced, which is slower and as safe.
    return null;
  }
}
