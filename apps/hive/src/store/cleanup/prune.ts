import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ModelsPruned, RbeeError, toTimestamp } from '@rbee/contract';
import { readCatalog } from '../contents/catalog.ts';
import { type PlaceModels, readOnePlace } from '../contents/list-store.ts';
import { listPlaces } from '../contents/read-place.ts';
import { ifThere } from '../disk.ts';
import { isUnfinished, type Layout } from '../layout.ts';
import { mapAtOnce } from '../map-concurrent.ts';
import type { StoreDeps } from './remove.ts';
import { tidyPlace } from './remove-empty-folders.ts';
import { leftoversOf, type Waste } from './unused-files.ts';

/** What other tools are writing, and what a crash left, looks alike: only what is older than this is left behind. */
export const MIN_AGE_MS = 24 * 60 * 60 * 1_000;

export interface PruneOptions {
  /** Says what would go, and removes nothing. */
  readonly dryRun: boolean;
  readonly nowMs: number;
  /** Whether a download that has not ended may want what is in the place. */
  readonly isWanted: (place: string) => boolean;
  readonly signal: AbortSignal;
  /** Told of each thing that goes. */
  readonly onRemoved: (removed: ModelsPruned['removed'][number]) => void;
}

/**
 * Removes what nobody uses: old partials, blobs without a link, what was put aside as damaged, links that lead nowhere.
 * A place that a download wants is left as it is.
 */
export async function pruneStore(deps: StoreDeps, options: PruneOptions): Promise<ModelsPruned> {
  const removed: ModelsPruned['removed'] = [];
  const take = async (waste: Waste) => {
    options.signal.throwIfAborted();
    if (!options.dryRun) {
      // A journal goes before its partial: beside other bytes it would claim what is not there.
      for (const path of [...waste.journals, waste.path]) await deps.disk.remove(path);
      await deps.disk.syncFolder(dirname(waste.path));
    }
    const { path, kind, bytes, modifiedAtMs } = waste;
    const gone = { path, kind, bytes, modified_at: toTimestamp(modifiedAtMs) };
    removed.push(gone);
    options.onRemoved(gone);
  };
  for (const waste of await unfinishedEntries(deps.layout, options.nowMs)) await take(waste);
  const { entries } = await readCatalog(deps.layout);
  // A model of which nothing is left has an entry, and perhaps no folder.
  const places = new Set([...(await listPlaces(deps.layout)), ...entries.map(({ place }) => place)]);
  for (const place of places) {
    await prunePlace(deps, place, options, take);
  }
  return { dry_run: options.dryRun, removed, freed_bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
}

async function prunePlace(
  { layout, disk, uses }: StoreDeps,
  place: string,
  { dryRun, nowMs, isWanted }: PruneOptions,
  take: (waste: Waste) => Promise<void>,
): Promise<void> {
  const release = await uses.exclude(place).catch((error: unknown) => {
    if (error instanceof RbeeError && error.code === 'STATUS_CONFLICT') return null;
    throw error;
  });
  if (release === null) return;
  try {
    // Asked when the place is ours, so that a download that begins now comes after this.
    if (isWanted(place)) return;
    const content = await readOnePlace(layout, place);
    const { state, entries, areAll } = content;
    const waste = [
      ...(await emptyEntries(layout, content, nowMs)),
      ...(await leftoversOf(layout, state, areAll ? entries : null, nowMs - MIN_AGE_MS)),
    ];
    for (const each of waste) await take(each);
    const names = waste.flatMap(({ name }) => name ?? []);
    if (!dryRun) await tidyPlace(disk, layout, place, names);
  } finally {
    release();
  }
}

/** Entries of models of which nothing is left. Looked at when the place is ours: a download would write a new one. */
function emptyEntries(layout: Layout, { state, models }: PlaceModels, nowMs: number): Promise<Waste[]> {
  if (state.unfinished.length > 0) return Promise.resolve([]);
  const empty = models.filter(({ isCatalogued, missing, files }) => isCatalogued && missing.length === files.length);
  const paths = empty.map(({ id }) => layout.catalogFile(id));
  return oldFiles(paths, nowMs);
}

/** Entries that were being written. */
async function unfinishedEntries(layout: Layout, nowMs: number): Promise<Waste[]> {
  const folder = layout.catalogFolder();
  const names = (await ifThere(readdir(folder), [])).filter(isUnfinished);
  return oldFiles(
    names.map((name) => join(folder, name)),
    nowMs,
  );
}

async function oldFiles(paths: readonly string[], nowMs: number): Promise<Waste[]> {
  const waste = await mapAtOnce(paths, async (path): Promise<Waste | null> => {
    const stats = await ifThere(stat(path), null);
    if (stats === null || stats.mtimeMs > nowMs - MIN_AGE_MS) return null;
    return { path, kind: 'link', bytes: stats.size, modifiedAtMs: stats.mtimeMs, journals: [], name: null };
  });
  return waste.filter((each) => each !== null);
}
