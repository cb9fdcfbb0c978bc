import { dirname } from 'node:path';
import { type ModelId, type ModelRemoved, RbeeError } from '@rbee/contract';
import { findModel, type PlaceModels, readOnePlace } from '../contents/list-store.ts';
import type { SnapshotName } from '../contents/read-place.ts';
import { bytesOf, type StoredModel } from '../contents/stored-model.ts';
import type { Disk } from '../disk.ts';
import type { Layout } from '../layout.ts';
import type { PlaceLocks } from '../place-locks.ts';
import { removeEmptyFolders } from './remove-empty-folders.ts';

/** Files of a repo that no program loads. */
const DESCRIPTION = /^(?:\.gitattributes|\.gitignore|(?:README|LICENSE|LICENCE|NOTICE|USE_POLICY)[^/]*|[^/]*\.md)$/i;

export interface StoreDeps {
  readonly layout: Layout;
  readonly disk: Disk;
  readonly locks: PlaceLocks;
}

/**
 * What removing a model would free. `after`: models that are removed before it, whose files it no longer shares.
 * @throws RbeeError MODEL_NOT_FOUND
 */
export async function weighRemoval(
  { layout }: Pick<StoreDeps, 'layout'>,
  id: ModelId,
  after: readonly ModelId[],
): Promise<ModelRemoved> {
  const { place } = await findModel(layout, id);
  let content = await readOnePlace(layout, place);
  for (const each of after) content = withoutModel(content, each);
  const model = content.models.find((each) => each.id === id);
  if (!model) throw new RbeeError('MODEL_NOT_FOUND', `the model ${id} has already been removed`);
  const { freed_bytes, shared_bytes } = planRemoval(content, model);
  return { model_id: id, model_ref: model.modelRef, freed_bytes, shared_bytes };
}

/** The place as it is when a model has been removed; the same if it has no such model. */
function withoutModel(content: PlaceModels, id: ModelId): PlaceModels {
  const model = content.models.find((each) => each.id === id);
  if (!model) return content;
  const { names, blobNames } = planRemoval(content, model);
  const { state } = content;
  const gone = new Set(names);
  const blobs = new Map([...state.blobs].filter(([name]) => !blobNames.has(name)));
  const snapshots = new Map(
    [...state.snapshots].map(([commit, all]) => [commit, all.filter((name) => !gone.has(name))]),
  );
  return {
    ...content,
    state: { ...state, blobs, snapshots },
    models: content.models.filter((each) => each !== model),
  };
}

/**
 * Removes a model and the blobs that nothing else uses: first its catalog entry, then its links, then the blobs. A crash
 * in between leaves only complete files, and nothing is listed without its bytes. With the last model of a commit go the
 * files that only describe it, so that nothing remains that other tools list.
 * @throws RbeeError MODEL_NOT_FOUND, STATUS_CONFLICT while a download uses the place
 */
export async function removeModel({ layout, disk, locks }: StoreDeps, id: ModelId): Promise<ModelRemoved> {
  const { place } = await findModel(layout, id);
  const release = await locks.acquireExclusive(place);
  try {
    const content = await readOnePlace(layout, place);
    const model = content.models.find((each) => each.id === id);
    if (!model) throw new RbeeError('MODEL_NOT_FOUND', `the model ${id} has already been removed`);
    const plan = planRemoval(content, model);
    await disk.remove(layout.catalogFile(place, id));
    await disk.syncFolder(layout.catalogFolder(place));
    const paths = plan.names.map(({ commit, path }) => layout.snapshotFile(place, commit, path));
    for (const path of paths) await disk.remove(path);
    for (const folder of new Set(paths.map(dirname))) await disk.syncFolder(folder);
    for (const name of plan.blobNames) {
      await disk.remove(layout.blob(place, name));
      await disk.remove(layout.damaged(place, name));
    }
    await disk.syncFolder(layout.blobsFolder(place));
    await removeEmptyFolders(disk, layout, place, plan.names);
    const { freed_bytes, shared_bytes } = plan;
    return { model_id: id, model_ref: model.modelRef, freed_bytes, shared_bytes };
  } finally {
    release();
  }
}

interface Removal {
  /** Names to remove from the snapshot. */
  readonly names: readonly SnapshotName[];
  /** Blobs to remove, existing or not. */
  readonly blobNames: ReadonlySet<string>;
  readonly freed_bytes: number;
  readonly shared_bytes: number;
}

/** The files of a model that no other model has and no other name in the place links to. */
function planRemoval({ state, models }: PlaceModels, model: StoredModel): Removal {
  const others = models.filter(({ id }) => id !== model.id);
  const keptPaths = new Set(
    others.filter(({ commit }) => commit === model.commit).flatMap(({ files }) => files.map(({ path }) => path)),
  );
  const all = [...state.snapshots.values()].flat();
  const ownPaths = new Set(model.files.map(({ path }) => path).filter((path) => !keptPaths.has(path)));
  const rest = all.filter(({ commit, path }) => commit === model.commit && !ownPaths.has(path));
  if (rest.every(({ path }) => DESCRIPTION.test(path) && !keptPaths.has(path)))
    for (const { path } of rest) ownPaths.add(path);
  const isRemoved = (name: SnapshotName) => name.commit === model.commit && ownPaths.has(name.path);
  const names = all.filter(isRemoved);
  const keptBlobs = new Set([
    ...all.filter((name) => !isRemoved(name)).map(({ blobName }) => blobName),
    ...others.flatMap(({ files }) => files.map(({ blobName }) => blobName)),
  ]);
  const ownBlobs = [...names, ...model.files].flatMap(({ blobName }) => (blobName === null ? [] : [blobName]));
  const blobNames = new Set(ownBlobs.filter((name) => !keptBlobs.has(name)));
  const blobsOf = (isLink: boolean, names: ReadonlySet<string>) =>
    [...names].flatMap((name) => state.blobs.get(name) ?? []).filter((blob) => (blob.isLink ?? false) === isLink);
  const copies = names.flatMap(({ kind, content }) => (kind === 'file' && content !== null ? [content] : []));
  const sharedBlobs = new Set(ownBlobs.filter((name) => keptBlobs.has(name)));
  return {
    names,
    blobNames,
    freed_bytes: bytesOf([...blobsOf(false, blobNames), ...copies]),
    // What a link led to is not freed by removing the link: other repos may use it.
    shared_bytes: bytesOf([...blobsOf(false, sharedBlobs), ...blobsOf(true, new Set(ownBlobs))]),
  };
}
