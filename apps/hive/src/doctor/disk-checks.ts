import type { Clock, DoctorCheck } from '@rbee/contract';
import type { Store } from '../store/store.ts';
import { checkDiskSpeed, checkStore, judgeDiskSpace, readDisk } from './check-disk.ts';
import type { Run } from './run-check.ts';
import { skipped } from './verdict.ts';

export interface DiskChecksDeps {
  readonly clock: Clock;
  readonly store: Pick<Store, 'layout' | 'list' | 'assertSame'>;
}

/** The checks of the store and its disk. */
export function checksOfDisk({ store, clock }: DiskChecksDeps, run: Run): Promise<DoctorCheck>[] {
  const { layout } = store;
  const storeCheck = run('store', () => checkStore(layout, store));
  return [
    storeCheck,
    run('disk_space', async () => judgeDiskSpace(layout.modelsDir, await readDisk(layout.modelsDir))),
    run('disk_speed', async (signal) => {
      const isWritable = (await storeCheck).status !== 'failed';
      if (!isWritable) return skipped('not tested: the store is not writable (see store)');
      return checkDiskSpeed(layout, clock, signal);
    }),
  ];
}
