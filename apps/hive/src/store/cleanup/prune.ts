import { lstat, readdir, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { type KeptFile, type ModelsPruned, RbeeError, toTimestamp } from '@rbee/contract';
import { listPlaces } from '../contents/list-places.ts';
import { type PlaceModels, readOnePlace } from '../contents/list-store.ts';
import { readPlace } from '../contents/read-place.ts';
import { ifExists } from '../disk.ts';
import { isUnfinished, type Layout, UNFINISHED_NAMES } from '../layout.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import type { StoreDeps } from './remove.ts';
import { removeEmptyFolders } from './remove-empty-folders.ts';
import { findPartials, findUnusedFiles, type UnusedFile } from './unused-files.ts';

/** A file that a crash left looks like one that another tool is writing; older than this, it counts as left. */
export const MIN_AGE_MS = 24 * 60 * 60 * 1_000;

type Pruned = ModelsPruned['removed'][number];

export interface PruneOptions {
  /** Reports what would be removed, and removes nothing. */
  readonly dryRun: boolean;
  /** Only partials; the own ones of a hive at any age. */
  readonly isOnlyPartials?: boolean;
  /** For how long recent files stay, in place of `MIN_AGE_MS`. */
  readonly minAgeMs?: number;
  /** Only these files, of any age. */
  readonly paths?: readonly string[];
  readonly nowMs: number;
  /** Whether a download that has not ended may need the files of a place. */
  readonly isWanted: (place: string) => boolean;
  readonly signal: AbortSignal;
  /** Called for each removed file. */
  readonly onRemoved: (removed: Pruned) => void;
}

/**
 * Removes unused files: old partials, blobs without a link, damaged blobs, broken links. Places that a download needs are
 * left alone.
 */
export async function pruneStore(deps: StoreDeps, options: PruneOptions): Promise<ModelsPruned> {
  const removed: Pruned[] = [];
  const kept: KeptFile[] = [];
  const remove = async (unused: UnusedFile) => {
    options.signal.throwIfAborted();
    if (!options.dryRun) {
      // Journals go before their partial: next to other bytes they would claim too much.
      for (const path of [...unused.journals, unused.path]) await deps.disk.remove(path);
      await deps.disk.syncFolder(dirname(unused.path));
    }
    const entry = toEntry(unused);
    removed.push(entry);
    options.onRemoved(entry);
  };
  for (const place of await listPlaces(deps.layout)) {
    if (options.paths?.every((path) => dirname(path) !== deps.layout.blobsFolder(place))) continue;
    // A repo on another disk is read through its link, but it is outside the store.
    if (!(await isInside(deps.layout.placeFolder(place), deps.layout.modelsDir))) continue;
    const stays = await prunePlace(deps, place, options, remove);
    kept.push(...stays.filter(({ path }) => options.paths === undefined || options.paths.includes(path)));
  }
  return { dry_run: options.dryRun, removed, freed_bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0), kept };
}

/** Returns the partials that stay, and why. */
async function prunePlace(
  { layout, disk, locks }: StoreDeps,
  place: string,
  options: PruneOptions,
  remove: (unused: UnusedFile) => Promise<void>,
): Promise<KeptFile[]> {
  const partials = async (reason: KeptFile['reason']) =>
    findPartials(layout, await readPlace(layout, place)).map((partial) => ({ ...toEntry(partial), reason }));
  const release = await locks.acquireExclusive(place).catch((error: unknown) => {
    if (error instanceof RbeeError && error.code === 'STATUS_CONFLICT') return null;
    throw error;
  });
  if (release === null) return partials('in_use');
  try {
    // Checked under the lock, so that a download that starts now waits for the prune.
    if (options.isWanted(place)) return await partials('in_use');
    const unused = await findRemovable(layout, place, options);
    for (const each of unused) await remove(each);
    const names = unused.flatMap(({ name }) => name ?? []);
    if (!options.dryRun) await removeEmptyFolders(disk, layout, place, names);
    return (await partials('recent')).filter(({ path }) => unused.every((each) => each.path !== path));
  } finally {
    release();
  }
}

async function findRemovable(layout: Layout, place: string, options: PruneOptions): Promise<UnusedFile[]> {
  const content = await readOnePlace(layout, place);
  const { state, entries, problems } = content;
  const minAgeMs = options.minAgeMs ?? MIN_AGE_MS;
  const [blobsFolder, beforeMs] = [layout.blobsFolder(place), options.nowMs - minAgeMs];
  const areBlobsInside = await isInside(blobsFolder, layout.placeFolder(place));
  const inPlace = ({ path }: UnusedFile) => areBlobsInside || dirname(path) !== blobsFolder;
  if (options.paths !== undefined) {
    const { paths } = options;
    return findPartials(layout, state).filter((partial) => inPlace(partial) && paths.includes(partial.path));
  }
  if (options.isOnlyPartials) {
    // Another tool may be writing its own at this moment; of ours it is known that no download wants them.
    const isOld = ({ modifiedAtMs }: UnusedFile) => modifiedAtMs <= beforeMs;
    const isOurs = ({ path }: UnusedFile) => options.minAgeMs === undefined && UNFINISHED_NAMES.partial.test(path);
    return findPartials(layout, state).filter((partial) => inPlace(partial) && (isOld(partial) || isOurs(partial)));
  }
  const found = await findUnusedFiles(layout, state, problems.length === 0 ? entries : null, beforeMs);
  return [
    ...(await emptyEntries(layout, content, beforeMs)),
    ...(await unfinishedRecords(layout, place, beforeMs)),
    ...found.filter(inPlace),
  ];
}

function toEntry({ path, kind, bytes, modifiedAtMs }: UnusedFile): Pruned {
  return { path, kind, bytes, modified_at: toTimestamp(modifiedAtMs) };
}

/** Entries of models without any files left. Read under the lock, since a download would write a new one. */
function emptyEntries(layout: Layout, { state, models }: PlaceModels, beforeMs: number): Promise<UnusedFile[]> {
  if (state.unfinished.length > 0) return Promise.resolve([]);
  const empty = models.filter(({ isCatalogued, missing, files }) => isCatalogued && missing.length === files.length);
  const paths = empty.map(({ place, id }) => layout.catalogFile(place, id));
  return oldFiles(paths, beforeMs);
}

/** Entries, refs and links that were being written when a hive was killed. */
async function unfinishedRecords(layout: Layout, place: string, beforeMs: number): Promise<UnusedFile[]> {
  const folder = layout.catalogFolder(place);
  const names = (await ifExists(readdir(folder), [])).filter(isUnfinished);
  return oldFiles(
    names.map((name) => join(folder, name)),
    beforeMs,
  );
}

/** Whether a folder is in another one, over any links. A missing one is. */
async function isInside(folder: string, top: string): Promise<boolean> {
  const real = await ifExists(realpath(folder), null);
  return real === null || real.startsWith((await realpath(top)) + sep);
}

async function oldFiles(paths: readonly string[], beforeMs: number): Promise<UnusedFile[]> {
  const files = await mapConcurrent(paths, async (path): Promise<UnusedFile | null> => {
    const stats = await ifExists(lstat(path), null);
    if (stats === null || stats.mtimeMs > beforeMs) return null;
    return { path, kind: 'link', bytes: stats.size, modifiedAtMs: stats.mtimeMs, journals: [], name: null };
  });
  return files.filter((each) => each !== null);
}
