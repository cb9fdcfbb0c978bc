import { constants } from 'node:fs';
import { readdir } from 'node:fs/promises';
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
import { readSmallFile } from '../small-file.ts';
import { listPlaces } from './list-places.ts';

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
  await writeEntry(disk, layout, full);
}

/** Writes an entry as it is. */
export async function writeEntry(disk: Disk, layout: Layout, entry: CatalogEntry): Promise<void> {
  const path = layout.catalogFile(entry.place, entry.model_id);
  await disk.putText(path, `${JSON.stringify(entry)}\n`, layout.catalogFolder(entry.place));
}

/** The entries of one place that can be read, and the problems of the others. */
export async function readCatalog(layout: Layout, place: string): Promise<Catalog> {
  const folder = layout.catalogFolder(place);
  const names = await ifExists(readdir(folder), []);
  const read = await mapConcurrent(names.filter((name) => !isUnfinished(name)).sort(), async (name) => {
    const path = join(folder, name);
    return { path, entry: await readEntry(layout, { path, name, place }) };
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

/** The entry of a model, in whichever place it is; null if there is none or it cannot be read. */
export async function findEntry(layout: Layout, id: ModelId): Promise<CatalogEntry | null> {
  const name = `${id}.json`;
  const found = await mapConcurrent(await listPlaces(layout), (place) =>
    readEntry(layout, { path: layout.catalogFile(place, id), name, place }),
  );
  return (found.find((read) => read !== null && !('problem' in read)) as CatalogEntry | undefined) ?? null;
}

interface EntryFile {
  readonly path: string;
  readonly name: string;
  /** The place that the entry must be of; null for any. */
  readonly place: string | null;
}

/** Reads the file of an entry; null if there is none. */
export async function readEntry(
  layout: Layout,
  { path, name, place }: EntryFile,
): Promise<CatalogEntry | { problem: string } | null> {
  let text: string;
  try {
    // Does not follow a link: an entry is a file of the catalog.
    const read = await ifExists(readSmallFile(path, MAX_ENTRY_BYTES, constants.O_NOFOLLOW), undefined);
    if (read === undefined) return null;
    text = read ?? '';
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
  if (place !== null && entry.place !== place) return problem('is of another place');
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
