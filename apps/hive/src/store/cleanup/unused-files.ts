import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelsPruned } from '@rbee/contract';
import type { CatalogEntry } from '../contents/catalog.ts';
import { type PlaceState, readRefs, type StoredBytes } from '../contents/read-place.ts';
import { ifThere } from '../disk.ts';
import { type Layout, splitPlace } from '../layout.ts';
import type { RemovedName } from './remove-empty-folders.ts';

/** Something in the store that nobody uses. */
export interface Waste {
  readonly path: string;
  readonly kind: ModelsPruned['removed'][number]['kind'];
  /** Of the thing and of what goes with it. */
  readonly bytes: number;
  readonly modifiedAtMs: number;
  /** What goes before it. */
  readonly journals: readonly string[];
  /** Where it is a name in a snapshot: its folders are left to the tidying, which knows the order. */
  readonly name: RemovedName | null;
}

const DAMAGED = /\.damaged\.incomplete$/;
const JOURNAL = /\.rbee\.journal[a-z-]*\.incomplete$/;
const PARTIAL = /\.rbee\.incomplete$/;

/**
 * What of a place nobody uses: links first, so that no blob goes while a link still leads to it. `entries` are those of
 * the catalog that are about the place; null where some entry cannot be read, so that they may not be all.
 */
export async function leftoversOf(
  layout: Layout,
  state: PlaceState,
  entries: readonly CatalogEntry[] | null,
  beforeMs: number,
): Promise<Waste[]> {
  const superseded = entries === null ? [] : await oldVersions(layout, state, entries, beforeMs);
  return [
    ...(await brokenLinks(layout, state)),
    ...superseded,
    ...(await oldRefs(layout, state, beforeMs)),
    ...state.leftovers
      .filter(({ modifiedAtMs }) => modifiedAtMs <= beforeMs)
      .map(({ commit, path, modifiedAtMs }) => ({
        ...plain(layout.snapshotFile(state.place, commit, path), 'link', 0, modifiedAtMs),
        name: { commit, path },
      })),
    ...unusedBlobs(layout, state, superseded, beforeMs),
    ...unfinished(layout, state, beforeMs),
  ];
}

async function brokenLinks(layout: Layout, { place, snapshots }: PlaceState): Promise<Waste[]> {
  const broken = [...snapshots.values()].flat().filter(({ kind, content }) => kind === 'link' && content === null);
  const waste: Waste[] = [];
  for (const { commit, path } of broken) {
    const onDisk = layout.snapshotFile(place, commit, path);
    const stats = await ifThere(lstat(onDisk), null);
    if (stats !== null) waste.push({ ...plain(onDisk, 'link', 0, stats.mtimeMs), name: { commit, path } });
  }
  return waste;
}

/** Refs to commits that are not there. A tool that starts a download writes the ref first, so only old ones count. */
async function oldRefs(layout: Layout, { place, snapshots }: PlaceState, beforeMs: number): Promise<Waste[]> {
  const refs = await readRefs(layout, place);
  return refs
    .filter(({ commit, modifiedAtMs }) => !snapshots.has(commit) && modifiedAtMs <= beforeMs)
    .map(({ path, modifiedAtMs }) => plain(path, 'link', 0, modifiedAtMs));
}

/**
 * Names that no model of the catalog has. Only where nobody but a hive writes: beside the cache. There a tag or a URL
 * leads to a new version from time to time, and the entry of the model is about the newest alone.
 */
async function oldVersions(
  layout: Layout,
  { place, snapshots }: PlaceState,
  entries: readonly CatalogEntry[],
  beforeMs: number,
): Promise<Waste[]> {
  if (splitPlace(place)[0] === 'hf') return [];
  const known = new Set(entries.flatMap(({ commit, files }) => files.map(({ path }) => `${commit}/${path}`)));
  const old = [...snapshots.values()].flat().filter(({ commit, path }) => !known.has(`${commit}/${path}`));
  const waste: Waste[] = [];
  for (const { commit, path, content } of old) {
    const onDisk = layout.snapshotFile(place, commit, path);
    const stats = content === null ? null : await ifThere(lstat(onDisk), null);
    if (stats !== null && stats.mtimeMs <= beforeMs)
      waste.push({ ...plain(onDisk, 'link', 0, stats.mtimeMs), name: { commit, path } });
  }
  return waste;
}

function unusedBlobs(
  layout: Layout,
  { place, blobs, snapshots }: PlaceState,
  gone: readonly Waste[],
  beforeMs: number,
): Waste[] {
  const goneNames = new Set(gone.map(({ name }) => `${name?.commit}/${name?.path}`));
  const names = [...snapshots.values()].flat().filter(({ commit, path }) => !goneNames.has(`${commit}/${path}`));
  const used = new Set(names.map(({ blobName }) => blobName));
  return [...blobs.values()]
    .filter(({ name, modifiedAtMs }) => !used.has(name) && modifiedAtMs <= beforeMs)
    .map(({ name, bytes, modifiedAtMs }) => plain(layout.blob(place, name), 'blob', bytes, modifiedAtMs));
}

/** Partials with their journals, ours and those of other tools; and what a verify has put aside, of any age. */
function unfinished(layout: Layout, { place, unfinished: files }: PlaceState, beforeMs: number): Waste[] {
  const pathOf = ({ name }: StoredBytes) => join(layout.blobsFolder(place), name);
  const groups = Map.groupBy(files, ({ name }) => name.replace(JOURNAL, '.rbee.incomplete'));
  return [...groups].flatMap(([partialName, parts]): Waste[] => {
    const newestMs = Math.max(...parts.map(({ modifiedAtMs }) => modifiedAtMs));
    const isDamaged = DAMAGED.test(partialName);
    if (!isDamaged && newestMs > beforeMs) return [];
    // Journals alone are what a crash between the rename and their removal left.
    const [main, ...others] = PARTIAL.test(partialName)
      ? parts.toSorted((a, b) => Number(b.name === partialName) - Number(a.name === partialName))
      : parts;
    if (main === undefined) return [];
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    const kind = isDamaged ? 'damaged' : 'partial';
    return [{ ...plain(pathOf(main), kind, bytes, newestMs), journals: others.map(pathOf) }];
  });
}

function plain(path: string, kind: Waste['kind'], bytes: number, modifiedAtMs: number): Waste {
  return { path, kind, bytes, modifiedAtMs, journals: [], name: null };
}
