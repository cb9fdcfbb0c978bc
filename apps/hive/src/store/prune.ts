import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ModelsPruned, RbeeError, toTimestamp } from '@rbee/contract';
import { mapAtOnce } from './at-once.ts';
import { ifThere } from './disk.ts';
import { isUnfinished, type Layout } from './layout.ts';
import { leftoversOf, type Waste } from './leftovers.ts';
import { readOnePlace, readStore } from './list.ts';
import { listPlaces } from './read-place.ts';
import type { StoreDeps } from './remove.ts';
import { tidyPlace } from './tidy.ts';

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
  for (const waste of await catalogWaste(deps.layout, options.nowMs)) await take(waste);
  for (const place of await listPlaces(deps.layout)) {
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
    const { state, entries, areAll } = await readOnePlace(layout, place);
    const waste = await leftoversOf(layout, state, areAll ? entries : null, nowMs - MIN_AGE_MS);
    for (const each of waste) await take(each);
    const names = waste.flatMap(({ name }) => name ?? []);
    if (!dryRun) await tidyPlace(disk, layout, place, names);
  } finally {
    release();
  }
}

/** Entries of models of which nothing is left, and entries that were being written. */
async function catalogWaste(layout: Layout, nowMs: number): Promise<Waste[]> {
  const folder = layout.catalogFolder();
  const { models, states } = await readStore(layout);
  const partials = new Map(states.map(({ place, unfinished }) => [place, unfinished.length > 0]));
  const empty = models.filter(
    ({ isCatalogued, missing, files, place }) =>
      isCatalogued && missing.length === files.length && partials.get(place) !== true,
  );
  const unfinished = (await ifThere(readdir(folder), [])).filter(isUnfinished).map((name) => join(folder, name));
  const paths = [...unfinished, ...empty.map(({ id }) => layout.catalogFile(id))];
  const waste = await mapAtOnce(paths, async (path): Promise<Waste | null> => {
    const stats = await ifThere(stat(path), null);
    if (stats === null || stats.mtimeMs > nowMs - MIN_AGE_MS) return null;
    return { path, kind: 'link', bytes: stats.size, modifiedAtMs: stats.mtimeMs, journals: [], name: null };
  });
  return waste.filter((each) => each !== null);
}
