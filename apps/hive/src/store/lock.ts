import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, RbeeError } from '@rbee/contract';
import { ifThere } from './disk.ts';
import { isRunning, type Owner, ownProcess } from './process-identity.ts';

const MAX_TRIES = 3;

/** The sole right to a store. */
export interface StoreLock {
  release(): Promise<void>;
}

/**
 * Takes the store for this process: a file with its pid and when it started. A lock whose process is gone (also when its
 * pid is another program's now) or that an earlier life of the same pid left (as in a container) is taken over.
 * @throws RbeeError STORE_NOT_WRITABLE when another hive owns the store, or its folder cannot be written
 */
export async function lockStore(path: string): Promise<StoreLock> {
  const own = JSON.stringify(await ownProcess());
  try {
    await mkdir(dirname(path), { recursive: true });
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      if (await create(path, own)) return { release: () => release(path, own) };
      const found = await ifThere(readFile(path, 'utf8'), null);
      if (found === null) continue;
      const pid = await runningOwner(found);
      if (pid !== null) throw owned(path, pid);
      await removeStale(path, found, own);
    }
  } catch (error) {
    if (error instanceof RbeeError) throw error;
    const message = `the store's lock ${path} cannot be written: ${(error as Error).message}`;
    throw new RbeeError('STORE_NOT_WRITABLE', message, { hint: 'give the hive a folder it may write: --models-dir' });
  }
  throw owned(path, null);
}

// Written first and linked then, so that a lock never stands there without its pid.
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
 * Removes a lock that was found stale. Another hive may have done so meanwhile and hold a lock of its own by now, so one
 * at a time looks again and removes only what was found.
 */
async function removeStale(path: string, found: string, own: string): Promise<void> {
  const turn = `${path}.takeover`;
  if (!(await create(turn, own))) {
    const holder = await ifThere(readFile(turn, 'utf8'), null);
    const pid = holder === null ? null : await runningOwner(holder);
    if (pid !== null) throw owned(path, pid);
    // Its hive crashed just then. Whoever takes the turn next looks again, so removing it twice does no harm.
    await rm(turn, { force: true });
    return;
  }
  try {
    if ((await ifThere(readFile(path, 'utf8'), null)) === found) await rm(path, { force: true });
  } finally {
    await rm(turn, { force: true });
  }
}

/** A lock that somebody else has taken over is not ours to remove. */
async function release(path: string, own: string): Promise<void> {
  if ((await ifThere(readFile(path, 'utf8'), null)) === own) await rm(path, { force: true });
}

/** The pid of the process that a lock names, where that runs. */
async function runningOwner(content: string): Promise<number | null> {
  const owner = ownerOf(content);
  return owner !== null && (await isRunning(owner)) ? owner.pid : null;
}

/** Null for a lock that nobody can read: a crash while it was written, or a hand. */
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
    hint: 'stop it, or give this hive a store of its own: --models-dir',
  });
}
