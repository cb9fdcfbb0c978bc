import { errnoOf } from '@rbee/contract';
import type { Disk } from './disk.ts';

/** The error codes of a file system without symbolic links. */
export const NO_LINKS: readonly string[] = ['EPERM', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP'];

interface PlainFile {
  readonly blob: string;
  /** Its name in the snapshot. */
  readonly name: string;
  readonly scratch: string;
  /** Whether no other name still needs the blob. */
  readonly isLast: boolean;
}

/** Where there are no links, the bytes are in the snapshot itself, as huggingface_hub stores them there. */
export async function putPlain(disk: Disk, { blob, name, scratch, isLast }: PlainFile): Promise<void> {
  if (!isLast) return disk.copy(blob, name, scratch);
  try {
    await disk.rename(blob, name);
  } catch (error) {
    if (errnoOf(error) !== 'EXDEV') throw error;
    await disk.copy(blob, name, scratch);
    await disk.remove(blob);
  }
}
