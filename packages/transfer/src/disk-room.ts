import { formatBytes, RbeeError } from '@rbee/contract';

const GiB = 2 ** 30;
/** Kept free beside what is fetched: others write to the same disk. */
const reserveShare = 0.05;
const minReserveBytes = GiB;

/** Free bytes that a disk must have before `restBytes` more are fetched to it. */
export function roomNeeded(restBytes: number): number {
  return restBytes === 0 ? 0 : restBytes + Math.max(Math.ceil(restBytes * reserveShare), minReserveBytes);
}

/** Room on one disk, promised to those who fetch to it before their first byte. */
export interface DiskRoom {
  /**
   * Promises room for what is still to be fetched; the answer gives the promise back.
   * @param rest bytes that are still to be fetched, asked for again whenever somebody else wants room
   * @throws RbeeError DISK_FULL, with the numbers
   */
  claim(rest: () => number): Promise<() => void>;
}

export function createDiskRoom(freeBytes: () => Promise<number>): DiskRoom {
  const claims = new Set<() => number>();
  return {
    async claim(rest) {
      // Those who came before have theirs, also while the disk is being looked at.
      const earlier = [...claims];
      const own = () => rest();
      claims.add(own);
      try {
        const free = await freeBytes();
        const promised = earlier.reduce((sum, claimed) => sum + (claims.has(claimed) ? claimed() : 0), 0);
        assertRoom(rest(), promised, free);
      } catch (error) {
        claims.delete(own);
        throw error;
      }
      return () => void claims.delete(own);
    },
  };
}

function assertRoom(rest: number, promised: number, free: number): void {
  if (rest === 0) return;
  const needed = roomNeeded(rest + promised);
  if (needed <= free) return;
  const others = promised === 0 ? '' : `, of which other downloads still need ${formatBytes(promised)}`;
  throw new RbeeError(
    'DISK_FULL',
    `${formatBytes(rest)} are to be fetched and ${formatBytes(needed - rest - promised)} stay in reserve, but ${formatBytes(free)} are free${others}`,
    {
      hint: 'free some room, for example with rbee-keeper model prune or model remove, and retry: what is on disk is kept',
      details: { needed_bytes: needed, free_bytes: free },
    },
  );
}
