import type { Clock, DoctorCheck } from '@rbee/contract';
import type { Store } from '../store/store.ts';
import { checkDiskSpeed, checkStore, judgeDiskSpace, readDisk } from './check-disk.ts';
import type { Run } from './run-check.ts';
import { skipped } from './verdict.ts';

export interface DiskChecksDeps {
  readonly clock: Clock;
  readonly store: Pick<Store, 'layout' | 'list'>;
}

/** The checks of the store and of the disk that it is on. */
export function checksOfDisk({ store, clock }: DiskChecksDeps, run: Run): Promise<DoctorCheck>[] {
  const { layout } = store;
  const written = run('store', () => checkStore(layout, store));
  return [
    written,
    run('disk_space', async () => judgeDiskSpace(layout.modelsDir, await readDisk(layout.modelsDir))),
    run('disk_speed', async (signal) => {
      const isWritable = (await written).status !== 'failed';
      if (!isWritable) return skipped('not tested: the store cannot be written (see store)');
      return checkDiskSpeed(layout, clock, signal);
    }),
  ];
}
