import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RbeeError } from '@rbee/contract';
import type { Parent } from '@rbee/daemon';
import { z } from 'zod';
import type { Layout } from './layout.ts';

const FORMAT_VERSION = 1;
const MAX_BYTES = 16 * 1024;

const addressSchema = z.object({
  version: z.literal(FORMAT_VERSION),
  hive_id: z.string(),
  hive_url: z.string(),
  /** The queen that it registers with. */
  queen_url: z.string().nullable(),
  /** Whether a command has started it. */
  is_of_command: z.boolean(),
  /** How other commands hold a queen and hive that a command has started; null if they may not. */
  fleet: z.unknown(),
});

/** Where the hive that owns a store listens. */
type HiveAddress = z.infer<typeof addressSchema>;

/** Beside the lock: who finds the store locked finds the owner here. */
export function hiveAddressPath(layout: Layout): string {
  return join(dirname(layout.lockFile()), 'rbee-hive.address');
}

interface PublishDeps {
  readonly path: string;
  readonly parent: Parent | null;
  readonly log: { warn(fields: object, message: string): void };
}

/**
 * Writes where this hive listens, for its user alone, and again when the command that started it shares its fleet.
 * Returns the function that removes it. A hive works without the file, so a failure is only logged.
 */
export async function publishAddress(
  { path, parent, log }: PublishDeps,
  address: Pick<HiveAddress, 'hive_id' | 'hive_url' | 'queen_url'>,
): Promise<() => Promise<void>> {
  let writes = Promise.resolve();
  const put = (fleet: unknown) => {
    const full: HiveAddress = { version: FORMAT_VERSION, ...address, is_of_command: parent !== null, fleet };
    writes = writes
      .then(() => write(path, JSON.stringify(full)))
      .catch((err: unknown) => log.warn({ err }, 'other commands cannot find this hive'));
    return writes;
  };
  parent?.onFleet((fleet) => void put(fleet));
  await put(parent?.fleet ?? null);
  return async () => {
    parent?.onFleet(() => {});
    await writes;
    await rm(path, { force: true }).catch(() => {});
  };
}

/** Renamed into place, so that a reader finds all of it. */
async function write(path: string, text: string): Promise<void> {
  const written = `${path}.new`;
  await rm(written, { force: true });
  const file = await open(written, 'wx', 0o600);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
  await rename(written, path);
}

/** Adds the owner's address to the error of a store that another hive owns, if it is known: `details.owner`. */
export async function withOwnerAddress<T>(path: string, lock: () => Promise<T>): Promise<T> {
  try {
    return await lock();
  } catch (error) {
    if (!(error instanceof RbeeError) || error.details?.['is_owned'] !== true) throw error;
    const { code, message, hint } = error;
    const owner = await readAddress(path);
    const where = owner === null ? message : `${message}; it listens at ${owner.hive_url}`;
    throw new RbeeError(code, where, {
      ...(hint === undefined ? {} : { hint }),
      details: { ...error.details, owner },
      cause: error,
    });
  }
}

/** Null without an address that this user's hive has written: nobody else may say where a command connects. */
async function readAddress(path: string): Promise<HiveAddress | null> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await file.stat();
      const isOwn = stats.isFile() && stats.uid === process.getuid?.() && (stats.mode & 0o077) === 0;
      if (!isOwn || stats.size > MAX_BYTES) return null;
      return addressSchema.parse(JSON.parse(await file.readFile('utf8')));
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
}
