import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelsPruned } from '@rbee/contract';
import type { CatalogEntry } from '../contents/catalog.ts';
import { isDead } from '../contents/reached.ts';
import { type PlaceState, readRefs, type StoredBytes } from '../contents/read-place.ts';
import { ifExists } from '../disk.ts';
import { type Layout, splitPlace, UNFINISHED_NAMES } from '../layout.ts';
import type { RemovedName } from './remove-empty-folders.ts';

/** A file or link in the store that nothing uses. */
export interface UnusedFile {
  readonly path: string;
  readonly kind: ModelsPruned['removed'][number]['kind'];
  /** Including its journals. */
  readonly bytes: number;
  readonly modifiedAtMs: number;
  /** Paths to remove before it. */
  readonly journals: readonly string[];
  /** Set for a name in a snapshot, whose folders `removeEmptyFolders` removes in the right order. */
  readonly name: RemovedName | null;
}

/**
 * The unused files of a place: links first, so that no blob is removed while a link points to it. `entries`: all catalog
 * entries of the place; null if some entry cannot be read, and might be one of them.
 */
export async function findUnusedFiles(
  layout: Layout,
  state: PlaceState,
  entries: readonly CatalogEntry[] | null,
  beforeMs: number,
): Promise<UnusedFile[]> {
  const superseded = entries === null ? [] : await oldVersions(layout, state, entries, beforeMs);
  return [
    ...(await brokenLinks(layout, state)),
    ...superseded,
    ...(await oldRefs(layout, state, beforeMs)),
    ...state.unfinishedNames
      .filter(({ modifiedAtMs }) => modifiedAtMs <= beforeMs)
      .map(({ commit, path, modifiedAtMs }) => ({
        ...plain(layout.snapshotFile(state.place, commit, path), 'link', 0, modifiedAtMs),
        name: { commit, path },
      })),
    ...unusedBlobs(layout, state, superseded, beforeMs),
    ...unfinished(layout, state, beforeMs),
  ];
}

/** Every partial of the place with its journals, of any age, from hives and from other tools. */
export function findPartials(layout: Layout, state: PlaceState): UnusedFile[] {
  return unfinished(layout, state, Number.POSITIVE_INFINITY).filter(({ kind }) => kind === 'partial');
}

async function brokenLinks(layout: Layout, { place, snapshots }: PlaceState): Promise<UnusedFile[]> {
  const broken = [...snapshots.values()].flat().filter(({ kind, content }) => kind === 'link' && content === null);
  const unused: UnusedFile[] = [];
  for (const { commit, path } of broken) {
    const onDisk = layout.snapshotFile(place, commit, path);
    // Its blob may be of a kind that is not ours: what can be read stays.
    const stats = (await isDead(onDisk)) ? await ifExists(lstat(onDisk), null) : null;
    if (stats !== null) unused.push({ ...plain(onDisk, 'link', 0, stats.mtimeMs), name: { commit, path } });
  }
  return unused;
}

/** Old refs to missing commits. Some tools write the ref first when they start a download, so new ones do not count. */
async function oldRefs(layout: Layout, { place, snapshots }: PlaceState, beforeMs: number): Promise<UnusedFile[]> {
  const refs = await readRefs(layout, place);
  return refs
    .filter(({ commit, modifiedAtMs }) => !snapshots.has(commit) && modifiedAtMs <= beforeMs)
    .map(({ path, modifiedAtMs }) => plain(path, 'link', 0, modifiedAtMs));
}

/**
 * Names that no model of the catalog has, in places of other sources, where only hives write. There a tag or a URL leads to a new
 * version from time to time, and the model's entry is for the newest only.
 */
async function oldVersions(
  layout: Layout,
  { place, snapshots }: PlaceState,
  entries: readonly CatalogEntry[],
  beforeMs: number,
): Promise<UnusedFile[]> {
  if (splitPlace(place)[0] === 'hf') return [];
  const known = new Set(entries.flatMap(({ commit, files }) => files.map(({ path }) => `${commit}/${path}`)));
  const old = [...snapshots.values()].flat().filter(({ commit, path }) => !known.has(`${commit}/${path}`));
  const unused: UnusedFile[] = [];
  for (const { commit, path, content } of old) {
    const onDisk = layout.snapshotFile(place, commit, path);
    const stats = content === null ? null : await ifExists(lstat(onDisk), null);
    if (stats !== null && stats.mtimeMs <= beforeMs)
      unused.push({ ...plain(onDisk, 'link', 0, stats.mtimeMs), name: { commit, path } });
  }
  return unused;
}

function unusedBlobs(
  layout: Layout,
  { place, blobs, snapshots }: PlaceState,
  removed: readonly UnusedFile[],
  beforeMs: number,
): UnusedFile[] {
  const removedNames = new Set(removed.map(({ name }) => `${name?.commit}/${name?.path}`));
  const names = [...snapshots.values()].flat().filter(({ commit, path }) => !removedNames.has(`${commit}/${path}`));
  const used = new Set(names.map(({ blobName }) => blobName));
  return [...blobs.values()]
    .filter(({ name, modifiedAtMs }) => !used.has(name) && modifiedAtMs <= beforeMs)
    .map(({ name, bytes, modifiedAtMs, isLink }) =>
      // Removing a link does not free what it leads to.
      plain(layout.blob(place, name), 'blob', isLink ? 0 : bytes, modifiedAtMs),
    );
}

/** Old partials with their journals, of ours and of other tools; and damaged blobs of any age. */
function unfinished(layout: Layout, { place, unfinished: files }: PlaceState, beforeMs: number): UnusedFile[] {
  const pathOf = ({ name }: StoredBytes) => join(layout.blobsFolder(place), name);
  const groups = Map.groupBy(files, ({ name }) => partialOfJournal(name));
  return [...groups].flatMap(([partialName, parts]): UnusedFile[] => {
    const newestMs = Math.max(...parts.map(({ modifiedAtMs }) => modifiedAtMs));
    const isDamaged = UNFINISHED_NAMES.damaged.test(partialName);
    if (!isDamaged && newestMs > beforeMs) return [];
    // Journals without a partial: a crash between the rename and their removal left them.
    const [main, ...others] = UNFINISHED_NAMES.partial.test(partialName)
      ? parts.toSorted((a, b) => Number(b.name === partialName) - Number(a.name === partialName))
      : parts;
    if (main === undefined) return [];
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    const kind = isDamaged ? 'damaged' : 'partial';
    return [{ ...plain(pathOf(main), kind, bytes, newestMs), journals: others.map(pathOf) }];
  });
}

/** The name of the partial that a journal belongs to; any other name as it is. */
function partialOfJournal(name: string): string {
  const end = name.endsWith('.incomplete') ? '.rbee.incomplete' : '.rbee-partial';
  return name.replace(UNFINISHED_NAMES.journal, end);
}

function plain(path: string, kind: UnusedFile['kind'], bytes: number, modifiedAtMs: number): UnusedFile {
  return { path, kind, bytes, modifiedAtMs, journals: [], name: null };
}
