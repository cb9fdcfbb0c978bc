import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, formatBytes, RbeeError } from '@rbee/contract/plain';

const GiB = 2 ** 30;
/** Kept free beside what is fetched: others write to the same disk. */
const reserveShare = 0.05;
const minReserveBytes = GiB;

/** Free bytes that a disk must have before `restBytes` more are fetched to it. */
export function spaceNeeded(restBytes: number): number {
  return restBytes === 0 ? 0 : restBytes + Math.max(Math.ceil(restBytes * reserveShare), minReserveBytes);
}

/** Room on disks, promised to those who fetch to them before their first byte. */
export interface DiskSpace {
  /**
   * Promises room for what is still to be fetched; the answer gives the promise back. Only those who fetch to the same
   * disk share its room.
   * @param folder where it will be written; it need not be there yet
   * @param rest bytes that are still to be fetched, asked for again whenever somebody else wants room
   * @throws RbeeError DISK_FULL, with the numbers
   */
  claim(folder: string, rest: () => number): Promise<() => void>;
}

interface Claim {
  readonly rest: () => number;
  /** Known when the disk has been looked at. */
  readonly volume: Promise<Volume>;
}

/** `volumeOf`: the file system where a folder is, or would be made. */
export function createDiskSpace(volumeOf: (folder: string) => Promise<Volume>): DiskSpace {
  const claims = new Set<Claim>();
  return {
    async claim(folder, rest) {
      // Those who came before have theirs, also while the disk is being looked at.
      const earlier = [...claims];
      const own: Claim = { rest, volume: volumeOf(folder) };
      claims.add(own);
      try {
        const { device, freeBytes } = await own.volume;
        const sharers = await onDevice(earlier, device);
        const promised = sharers.reduce((sum, claim) => sum + (claims.has(claim) ? claim.rest() : 0), 0);
        assertFits(rest(), promised, freeBytes);
      } catch (error) {
        claims.delete(own);
        throw error;
      }
      return () => void claims.delete(own);
    },
  };
}

async function onDevice(claims: readonly Claim[], device: number): Promise<Claim[]> {
  // One whose disk cannot be looked at gets no room, and says so itself.
  const devices = await Promise.all(claims.map(({ volume }) => volume.catch(() => null)));
  return claims.filter((_, index) => devices[index]?.device === device);
}

function assertFits(rest: number, promised: number, free: number): void {
  if (rest === 0) return;
  const needed = spaceNeeded(rest + promised);
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

/** A file system, as it is at the moment. */
export interface Volume {
  /** What tells it from every other one of the machine. */
  readonly device: number;
  readonly freeBytes: number;
}

/** The file system where a folder is, or would be made. */
export async function volumeOf(folder: string): Promise<Volume> {
  const { path, device } = await nearest(folder);
  const { bavail, bsize } = await statfs(path);
  return { device, freeBytes: bavail * bsize };
}

/** The folder, or the one above it that is there; through links, which may lead to another disk. */
async function nearest(folder: string): Promise<{ path: string; device: number }> {
  for (let path = folder; ; path = dirname(path)) {
    try {
      const { dev } = await stat(path);
      return { path, device: dev };
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    }
  }
}
