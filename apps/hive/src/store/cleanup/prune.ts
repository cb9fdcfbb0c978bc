import { lstat, readdir, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { type ModelsPruned, RbeeError, toTimestamp } from '@rbee/contract';
import { listPlaces } from '../contents/list-places.ts';
import { type PlaceModels, readOnePlace } from '../contents/list-store.ts';
import { ifExists } from '../disk.ts';
import { isUnfinished, type Layout } from '../layout.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import type { StoreDeps } from './remove.ts';
import { removeEmptyFolders } from './remove-empty-folders.ts';
import { findUnusedFiles, type UnusedFile } from './unused-files.ts';

/** A file that a crash left looks like one that another tool is writing; older than this, it counts as left. */
export const MIN_AGE_MS = 24 * 60 * 60 * 1_000;

export interface PruneOptions {
  /** Reports what would be removed, and removes nothing. */
  readonly dryRun: boolean;
  readonly nowMs: number;
  /** Whether a download that has not ended may need the files of a place. */
  readonly isWanted: (place: string) => boolean;
  readonly signal: AbortSignal;
  /** Called for each removed file. */
  readonly onRemoved: (removed: ModelsPruned['removed'][number]) => void;
}

/**
 * Removes unused files: old partials, blobs without a link, damaged blobs, broken links. Places that a download needs are
 * left alone.
 */
export async function pruneStore(deps: StoreDeps, options: PruneOptions): Promise<ModelsPruned> {
  const removed: ModelsPruned['removed'] = [];
  const remove = async (unused: UnusedFile) => {
    options.signal.throwIfAborted();
    if (!options.dryRun) {
      // Journals go before their partial: next to other bytes they would claim too much.
      for (const path of [...unused.journals, unused.path]) await deps.disk.remove(path);
      await deps.disk.syncFolder(dirname(unused.path));
    }
    const { path, kind, bytes, modifiedAtMs } = unused;
    const entry = { path, kind, bytes, modified_at: toTimestamp(modifiedAtMs) };
    removed.push(entry);
    options.onRemoved(entry);
  };
  for (const place of await listPlaces(deps.layout)) {
    // A repo on another disk is read through its link, but it is outside the store.
    if (await isInside(deps.layout.placeFolder(place), deps.layout.modelsDir))
      await prunePlace(deps, place, options, remove);
  }
  return { dry_run: options.dryRun, removed, freed_bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
}

async function prunePlace(
  { layout, disk, locks }: StoreDeps,
  place: string,
  { dryRun, nowMs, isWanted }: PruneOptions,
  remove: (unused: UnusedFile) => Promise<void>,
): Promise<void> {
  const release = await locks.acquireExclusive(place).catch((error: unknown) => {
    if (error instanceof RbeeError && error.code === 'STATUS_CONFLICT') return null;
    throw error;
  });
  if (release === null) return;
  try {
    // Checked under the lock, so that a download that starts now waits for the prune.
    if (isWanted(place)) return;
    const content = await readOnePlace(layout, place);
    const { state, entries, problems } = content;
    const [blobsFolder, beforeMs] = [layout.blobsFolder(place), nowMs - MIN_AGE_MS];
    const found = await findUnusedFiles(layout, state, problems.length === 0 ? entries : null, beforeMs);
    const areBlobsInside = await isInside(blobsFolder, layout.placeFolder(place));
    const unused = [
      ...(await emptyEntries(layout, content, nowMs)),
      ...(await unfinishedRecords(layout, place, nowMs)),
      ...found.filter(({ path }) => areBlobsInside || dirname(path) !== blobsFolder),
    ];
    for (const each of unused) await remove(each);
    const names = unused.flatMap(({ name }) => name ?? []);
    if (!dryRun) await removeEmptyFolders(disk, layout, place, names);
  } finally {
    release();
  }
}

/** Entries of models without any files left. Read under the lock, since a download would write a new one. */
function emptyEntries(layout: Layout, { state, models }: PlaceModels, nowMs: number): Promise<UnusedFile[]> {
  if (state.unfinished.length > 0) return Promise.resolve([]);
  const empty = models.filter(({ isCatalogued, missing, files }) => isCatalogued && missing.length === files.length);
  const paths = empty.map(({ place, id }) => layout.catalogFile(place, id));
  return oldFiles(paths, nowMs);
}

/** Entries, refs and links that were being written when a hive was killed. */
async function unfinishedRecords(layout: Layout, place: string, nowMs: number): Promise<UnusedFile[]> {
  const folder = layout.catalogFolder(place);
  const names = (await ifExists(readdir(folder), [])).filter(isUnfinished);
  return oldFiles(
    names.map((name) => join(folder, name)),
    nowMs,
  );
}

/** Whether a folder is in another one, over any links. A missing one is. */
async function isInside(folder: string, top: string): Promise<boolean> {
  const real = await ifExists(realpath(folder), null);
  return real === null || real.startsWith((await realpath(top)) + sep);
}

async function oldFiles(paths: readonly string[], nowMs: number): Promise<UnusedFile[]> {
  const files = await mapConcurrent(paths, async (path): Promise<UnusedFile | null> => {
    const stats = await ifExists(lstat(path), null);
    if (stats === null || stats.mtimeMs > nowMs - MIN_AGE_MS) return null;
    return { path, kind: 'link', bytes: stats.size, modifiedAtMs: stats.mtimeMs, journals: [], name: null };
  });
  return files.filter((each) => each !== null);
}
