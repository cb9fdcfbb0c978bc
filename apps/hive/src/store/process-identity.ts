import { readFile } from 'node:fs/promises';
import { errnoOf } from '@rbee/contract';
import { readBootId } from '@rbee/transfer';

/** A process as recorded in a lock. */
export interface Owner {
  readonly pid: number;
  /** When it started, in the system's terms: tells it from a later process of the same pid. Null if unknown. */
  readonly started: string | null;
}

/** Fields of `/proc/<pid>/stat`, counted after the name: the state, and the start time in ticks since the boot. */
const STATE_FIELD = 0;
const START_FIELD = 19;
/** Ended, but not yet reaped by its parent. */
const ENDED_STATES: ReadonlySet<string | undefined> = new Set(['Z', 'X']);

export async function ownProcess(): Promise<Owner> {
  return { pid: process.pid, started: (await look(process.pid))?.started ?? null };
}

/** Whether the process of a lock is still running. Its pid may be our own: then a previous process had it. */
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

/** Null except on Linux: elsewhere the pid alone counts. */
async function look(pid: number): Promise<{ hasEnded: boolean; started: string } | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const boot = await readBootId();
    if (boot === null) return null;
    // The name is in brackets, and may itself contain spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { hasEnded: ENDED_STATES.has(fields[STATE_FIELD]), started: `${boot}/${fields[START_FIELD]}` };
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}
