import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, formatBytes, RbeeError, spaceNeeded } from '@rbee/contract/plain';

const UNTOLD_CODES: readonly (string | null)[] = ['ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

/** Reservations of disk space: each download claims its own before its first byte. */
export interface DiskSpace {
  /**
   * Claims space for the bytes still to be downloaded; the result releases the claim. Claims on different disks do not affect each other.
   * @param folder where they will be written; need not exist yet
   * @param rest bytes still to be downloaded, read again on every other claim
   * @throws RbeeError DISK_FULL, with the numbers
   */
  claim(folder: string, rest: () => number): Promise<() => void>;
}

interface Claim {
  readonly rest: () => number;
  /** Resolves once the disk was looked up. */
  readonly volume: Promise<Volume>;
}

/** `volumeOf`: the file system of a folder, which need not exist yet. */
export function createDiskSpace(volumeOf: (folder: string) => Promise<Volume>): DiskSpace {
  const claims = new Set<Claim>();
  return {
    async claim(folder, rest) {
      // Earlier claims come first, also those whose disk is still being looked up.
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
  // A claim whose disk cannot be looked up is rejected on its own.
  const devices = await Promise.all(claims.map(({ volume }) => volume.catch(() => null)));
  return claims.filter((_, index) => devices[index]?.device === device);
}

function assertFits(rest: number, promised: number, free: number | null): void {
  // A disk that does not tell may have room: if not, the download ends when it is full.
  if (rest === 0 || free === null) return;
  const needed = spaceNeeded(rest + promised);
  if (needed <= free) return;
  const others = promised === 0 ? '' : `, of which other downloads still need ${formatBytes(promised)}`;
  throw new RbeeError(
    'DISK_FULL',
    `${formatBytes(rest)} to download and ${formatBytes(needed - rest - promised)} in reserve do not fit: ${formatBytes(free)} free${others}`,
    {
      hint: 'free some space, for example with rbee-keeper model prune or model remove, and retry: what is on disk is kept',
      details: { needed_bytes: needed, free_bytes: free },
    },
  );
}

/** A file system, as it is right now. */
export interface Volume {
  /** Its id on this machine. */
  readonly device: number;
  /** null if the file system does not tell. */
  readonly freeBytes: number | null;
}

/** The file system of a folder, which need not exist yet. */
export async function volumeOf(folder: string): Promise<Volume> {
  const { path, device } = await nearest(folder);
  return { device, freeBytes: await freeBytesIn(path) };
}

/** Free bytes of the file system of a folder; null if it does not tell. Some shares and FUSE file systems have 0 of 0 blocks. */
export async function freeBytesIn(folder: string): Promise<number | null> {
  try {
    const { blocks, bavail, bsize } = await statfs(folder);
    return blocks === 0 ? null : bavail * bsize;
  } catch (error) {
    if (UNTOLD_CODES.includes(errnoOf(error))) return null;
    throw error;
  }
}

/** Whether a file system has no inode left for another file, which is a full disk too, however many bytes are free. */
export async function hasNoInodes(folder: string): Promise<boolean> {
  const { files, ffree } = await statfs(folder);
  return files > 0 && ffree === 0;
}

/** The folder or its nearest existing ancestor; follows links, which may lead to another disk. */
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
