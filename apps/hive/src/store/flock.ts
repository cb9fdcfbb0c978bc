import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { errnoOf } from '@rbee/contract';

/** The number under which the child gets the descriptor. */
const CHILD_FD = 3;
/** What the command exits with if somebody else holds the lock. */
const EXIT_HELD = 1;

/**
 * Locks an open file or folder with the command `flock` of util-linux or busybox, since Node.js has no such call. The lock
 * belongs to the open file, which the child shares, so it stays until this process closes it or ends. `unavailable`: the
 * command is not installed, or the file system has no locks.
 */
export async function flockFolder(fd: number): Promise<'locked' | 'held' | 'unavailable'> {
  const child = spawn('flock', ['-x', '-n', String(CHILD_FD)], { stdio: ['ignore', 'ignore', 'pipe', fd] });
  let complaint = '';
  child.stderr?.on('data', (text: Buffer) => {
    complaint += text.toString();
  });
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    if (code === 0) return 'locked';
    return code === EXIT_HELD && complaint === '' ? 'held' : 'unavailable';
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return 'unavailable';
  }
}
