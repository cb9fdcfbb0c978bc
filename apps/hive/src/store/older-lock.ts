import { readFile } from 'node:fs/promises';
import { errnoOf } from '@rbee/contract';
import { readBootId } from '@rbee/transfer';
import { readSmallFile } from './small-file.ts';

const MAX_LOCK_BYTES = 65_536;

/** Fields of `/proc/<pid>/stat`, counted after the name: the state, and the start time in ticks since the boot. */
const STATE_FIELD = 0;
const START_FIELD = 19;
/** Ended, but not yet reaped by its parent. */
const ENDED_STATES: ReadonlySet<string | undefined> = new Set(['Z', 'X']);

/**
 * The pid of a hive of an older version that runs and owns the store: its lock was the file with its pid and its start, as
 * `<boot id>/<ticks>`. Null where the file is none of those, or its process has ended; always null except on Linux.
 */
export async function runningOlderHive(lockFile: string): Promise<number | null> {
  try {
    const { pid, started } = JSON.parse((await readSmallFile(lockFile, MAX_LOCK_BYTES)) ?? '') as {
      pid?: unknown;
      started?: unknown;
    };
    if (!Number.isSafeInteger(pid) || typeof started !== 'string' || pid === process.pid) return null;
    const stat = await readFile(`/proc/${pid as number}/stat`, 'utf8');
    // The name is in brackets, and may itself contain spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const isIt = `${await readBootId()}/${fields[START_FIELD]}` === started && !ENDED_STATES.has(fields[STATE_FIELD]);
    return isIt ? (pid as number) : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError || errnoOf(error) !== null) return null;
    throw error;
  }
}
