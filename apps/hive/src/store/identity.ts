import { stat } from 'node:fs/promises';
import { errnoOf, RbeeError } from '@rbee/contract';

/** Checks that the models folder is still the one that the hive started with, and locked. */
export interface StoreIdentity {
  /** @throws RbeeError STORE_NOT_WRITABLE if it is gone, or another one is in its place */
  assertSame(): Promise<void>;
}

/**
 * Remembers which folder, on which disk, the models folder is. If its disk is unmounted while the hive runs, an empty
 * folder of the system disk has its name, and downloads would fill that one.
 */
export async function identifyStore(modelsDir: string): Promise<StoreIdentity> {
  const { dev, ino } = await stat(modelsDir);
  return {
    async assertSame() {
      const now = await statOrNull(modelsDir);
      if (now?.dev === dev && now.ino === ino) return;
      const what =
        now === null ? 'is gone' : now.dev === dev ? 'was replaced by another folder' : 'is on another disk now';
      throw new RbeeError('STORE_NOT_WRITABLE', `the models folder ${modelsDir} ${what} since the hive started`, {
        hint: 'mount its disk again, or restart the hive to use what is there now',
      });
    },
  };
}

async function statOrNull(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}
