import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  errnoOf,
  type ModelId,
  modelIdOf,
  modelIdSchema,
  RbeeError,
  type StoreProblem,
  toTimestamp,
} from '@rbee/contract';
import { z } from 'zod';
import { type Disk, ifExists } from '../disk.ts';
import { isUnfinished, type Layout, SHA256 } from '../layout.ts';
import { mapConcurrent } from '../map-concurrent.ts';

const FORMAT_VERSION = 1;
/** Far more than an entry of 100,000 files needs. */
const MAX_ENTRY_BYTES = 64 * 2 ** 20;
const MAX_FILES = 100_000;

const catalogFileSchema = z.strictObject({
  /** Path in the repo. */
  path: z.string(),
  /** The name of the blob with its bytes. */
  blob: z.string(),
  bytes: z.int().nonnegative(),
  /** Null if it was verified by another digest. */
  sha256: z.string().regex(SHA256).nullable(),
});

export const catalogEntrySchema = z.strictObject({
  version: z.literal(FORMAT_VERSION),
  model_id: modelIdSchema,
  /** The pinned ref; the id is a digest of it. */
  model_ref: z.string(),
  place: z.string(),
  revision: z.string(),
  commit: z.string(),
  files: z.array(catalogFileSchema).min(1).max(MAX_FILES),
  downloaded_at: z.iso.datetime(),
});

/** The record of one downloaded model. */
export type CatalogEntry = z.infer<typeof catalogEntrySchema>;

export interface Catalog {
  readonly entries: readonly CatalogEntry[];
  /** Entries that cannot be read; they do not hide the others. */
  readonly problems: readonly StoreProblem[];
}

/** Writes an entry, replacing an older or damaged one of its id. The model's files must already be published. */
export async function putEntry(
  disk: Disk,
  layout: Layout,
  entry: Omit<CatalogEntry, 'version' | 'model_id' | 'downloaded_at'>,
  nowMs: number,
): Promise<void> {
  const model_id = modelIdOf(entry.model_ref);
  const full: CatalogEntry = { version: FORMAT_VERSION, model_id, ...entry, downloaded_at: toTimestamp(nowMs) };
  await disk.putText(layout.catalogFile(model_id), `${JSON.stringify(full)}\n`);
}

/** Every entry that can be read, and the problems of the others. */
export async function readCatalog(layout: Layout): Promise<Catalog> {
  const names = await ifExists(readdir(layout.catalogFolder()), []);
  const read = await mapConcurrent(names.filter((name) => !isUnfinished(name)).sort(), async (name) => {
    const path = join(layout.catalogFolder(), name);
    return { path, entry: await readEntry(layout, path, name) };
  });
  // Sorted by name, in whatever order the reads finished.
  const entries: CatalogEntry[] = [];
  const problems: StoreProblem[] = [];
  for (const { path, entry } of read) {
    if (entry === null) continue;
    if ('problem' in entry) problems.push({ path, message: entry.problem });
    else entries.push(entry);
  }
  return { entries, problems };
}

/** One entry; null if there is none or it cannot be read. */
export async function findEntry(layout: Layout, id: ModelId): Promise<CatalogEntry | null> {
  const read = await readEntry(layout, layout.catalogFile(id), `${id}.json`);
  return read === null || 'problem' in read ? null : read;
}

async function readEntry(
  layout: Layout,
  path: string,
  name: string,
): Promise<CatalogEntry | { problem: string } | null> {
  let text: string;
  try {
    const read = await ifExists(readText(path), null);
    if (read === null) return null;
    text = read;
  } catch (error) {
    const code = errnoOf(error);
    if (code === null) throw error;
    return { problem: `cannot read the catalog entry (${code})` };
  }
  const problem = (what: string) => ({
    problem: `the catalog entry ${what}; the next download of the model repairs it`,
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return problem('is not JSON');
  }
  const parsed = catalogEntrySchema.safeParse(value);
  if (!parsed.success) return problem('has missing or unknown fields');
  const entry = parsed.data;
  if (name !== `${entry.model_id}.json` || modelIdOf(entry.model_ref) !== entry.model_id)
    return problem('has the id of another model');
  if (!staysInside(layout, entry)) return problem('has a path or name that cannot be stored');
  return entry;
}

/** Runs the checks of the layout, which builds every path that is made from the entry later. */
function staysInside(layout: Layout, { place, commit, revision, files }: CatalogEntry): boolean {
  try {
    layout.ref(place, revision);
    for (const { path, blob } of files) {
      layout.snapshotFile(place, commit, path);
      layout.blob(place, blob);
    }
    return true;
  } catch (error) {
    if (error instanceof RbeeError) return false;
    throw error;
  }
}

// Does not follow a link: an entry is a file of the catalog.
async function readText(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = await file.stat();
    if (size > MAX_ENTRY_BYTES) return '';
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
