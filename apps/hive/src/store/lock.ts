import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, RbeeError } from '@rbee/contract';
import { ifExists } from './disk.ts';
import { isRunning, type Owner, ownProcess } from './process-identity.ts';

const MAX_TRIES = 3;

/** The exclusive lock of a store. */
export interface StoreLock {
  release(): Promise<void>;
}

/**
 * Locks the store for this process with a file that holds its pid and start time. A lock whose process has ended is taken
 * over, also when its pid now belongs to another program, or to this one (as in a restarted container).
 * @throws RbeeError STORE_NOT_WRITABLE when another hive owns the store, or its folder cannot be written
 */
export async function lockStore(path: string): Promise<StoreLock> {
  const own = JSON.stringify(await ownProcess());
  try {
    await mkdir(dirname(path), { recursive: true });
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      if (await create(path, own)) return { release: () => release(path, own) };
      const found = await ifExists(readFile(path, 'utf8'), null);
      if (found === null) continue;
      const pid = await runningOwner(found);
      if (pid !== null) throw owned(path, pid);
      await removeStale(path, found, own);
    }
  } catch (error) {
    if (error instanceof RbeeError) throw error;
    const message = `cannot write the store's lock ${path}: ${(error as Error).message}`;
    throw new RbeeError('STORE_NOT_WRITABLE', message, {
      hint: 'choose a folder that the hive can write to: --models-dir',
    });
  }
  throw owned(path, null);
}

// Written first, then linked, so that there is never a lock without its pid.
async function create(path: string, content: string): Promise<boolean> {
  const written = `${path}.${randomUUID()}`;
  await writeFile(written, content);
  try {
    await link(written, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(written, { force: true });
  }
}

/**
 * Removes a stale lock. Another hive may have done so in the meantime and hold its own lock by now, so one hive at a time
 * reads the lock again and removes it only if it is still the stale one.
 */
async function removeStale(path: string, found: string, own: string): Promise<void> {
  const takeover = `${path}.takeover`;
  if (!(await create(takeover, own))) {
    const holder = await ifExists(readFile(takeover, 'utf8'), null);
    const pid = holder === null ? null : await runningOwner(holder);
    if (pid !== null) throw owned(path, pid);
    // Its hive crashed during the takeover. The next one reads the lock again, so removing this twice does no harm.
    await rm(takeover, { force: true });
    return;
  }
  try {
    if ((await ifExists(readFile(path, 'utf8'), null)) === found) await rm(path, { force: true });
  } finally {
    await rm(takeover, { force: true });
  }
}

/** Leaves alone a lock that another hive has taken over. */
async function release(path: string, own: string): Promise<void> {
  if ((await ifExists(readFile(path, 'utf8'), null)) === own) await rm(path, { force: true });
}

/** The pid of a lock's process; null if it is not running. */
async function runningOwner(content: string): Promise<number | null> {
  const owner = ownerOf(content);
  return owner !== null && (await isRunning(owner)) ? owner.pid : null;
}

/** Null for a lock that cannot be parsed, for example one edited by hand. */
function ownerOf(content: string): Owner | null {
  try {
    const { pid, started } = JSON.parse(content) as { pid?: unknown; started?: unknown };
    if (!Number.isSafeInteger(pid) || (pid as number) <= 0) return null;
    return { pid: pid as number, started: typeof started === 'string' ? started : null };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}

function owned(path: string, pid: number | null): RbeeError {
  const who = pid === null ? 'another hive' : `another hive (pid ${pid})`;
  return new RbeeError('STORE_NOT_WRITABLE', `${who} owns this store: ${path}`, {
    hint: 'stop it, or give this hive its own store: --models-dir',
    details: { is_owned: true },
  });
}
