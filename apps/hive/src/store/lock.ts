import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RbeeError } from '@rbee/contract';

const MAX_TRIES = 3;

/** The sole right to a store. */
export interface StoreLock {
  release(): Promise<void>;
}

/**
 * Takes the store for this process: a file with its pid. A lock whose process is gone, or that an earlier life of the
 * same pid left (as in a container), is taken over.
 * @throws RbeeError STORE_NOT_WRITABLE when another hive owns the store, or its folder cannot be written
 */
export async function lockStore(path: string): Promise<StoreLock> {
  const own = JSON.stringify({ pid: process.pid });
  try {
    await mkdir(dirname(path), { recursive: true });
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      if (await create(path, own)) return { release: () => rm(path, { force: true }) };
      const owner = await ownerOf(path);
      if (owner !== null && isAlive(owner)) throw owned(path, owner);
      await rm(path, { force: true });
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
  const written = `${path}.${process.pid}`;
  await writeFile(written, content);
  try {
    await link(written, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(written, { force: true });
  }
}

async function ownerOf(path: string): Promise<number | null> {
  try {
    const { pid } = JSON.parse(await readFile(path, 'utf8')) as { pid?: unknown };
    return Number.isSafeInteger(pid) && (pid as number) > 0 ? (pid as number) : null;
  } catch (error) {
    // A lock that vanished or that nobody can read (a crash while it was written) has no owner.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function owned(path: string, pid: number | null): RbeeError {
  const who = pid === null ? 'another hive' : `another hive (pid ${pid})`;
  return new RbeeError('STORE_NOT_WRITABLE', `${who} owns this store: ${path}`, {
    hint: 'stop it, or give this hive a store of its own: --models-dir',
  });
}
