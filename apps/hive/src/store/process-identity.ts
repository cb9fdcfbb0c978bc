import { readFile } from 'node:fs/promises';
import { errnoOf } from '@rbee/contract';

/** A process as a lock names it. */
export interface Owner {
  readonly pid: number;
  /** When it started, as the system counts; tells it from a later one of the same pid. Null where nothing tells. */
  readonly started: string | null;
}

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** Of `/proc/<pid>/stat`, counted after the name: the state, and when it started, in ticks since the system did. */
const STATE_FIELD = 0;
const START_FIELD = 19;
/** Ended, and not waited for by its parent yet. */
const ENDED_STATES: ReadonlySet<string | undefined> = new Set(['Z', 'X']);

export async function ownProcess(): Promise<Owner> {
  return { pid: process.pid, started: (await look(process.pid))?.started ?? null };
}

/** Whether the process that a lock names still runs. The asker's own pid was another life's: it holds no lock yet. */
export async function isRunning({ pid, started }: Owner): Promise<boolean> {
  if (pid === process.pid || !isAlive(pid)) return false;
  const now = await look(pid);
  if (now === null) return true;
  return !now.hasEnded && (started === null || started === now.started);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** Only Linux tells; elsewhere the pid alone counts. */
async function look(pid: number): Promise<{ hasEnded: boolean; started: string } | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const boot = (await readFile(BOOT_ID, 'utf8')).trim();
    // The name is in brackets and may hold blanks and brackets itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { hasEnded: ENDED_STATES.has(fields[STATE_FIELD]), started: `${boot}/${fields[START_FIELD]}` };
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}
