import { dirname } from 'node:path';
import { type ModelId, type ModelRemoved, RbeeError } from '@rbee/contract';
import { findModel, type PlaceModels, readOnePlace } from '../contents/list-store.ts';
import type { SnapshotName } from '../contents/read-place.ts';
import { bytesOf, type StoredModel } from '../contents/stored-model.ts';
import type { Disk } from '../disk.ts';
import type { Layout } from '../layout.ts';
import type { PlaceUses } from '../place-locks.ts';
import { tidyPlace } from './remove-empty-folders.ts';

export interface StoreDeps {
  readonly layout: Layout;
  readonly disk: Disk;
  readonly uses: PlaceUses;
}

/**
 * Removes a model and the blobs that nothing else uses. The catalog forgets it first, then its links go, then blobs: a
 * crash in between leaves what is still whole, and nothing that is listed without its bytes.
 * @throws RbeeError MODEL_NOT_FOUND, STATUS_CONFLICT while a download uses the place
 */
export async function removeModel({ layout, disk, uses }: StoreDeps, id: ModelId): Promise<ModelRemoved> {
  const { place } = await findModel(layout, id);
  const release = await uses.exclude(place);
  try {
    const content = await readOnePlace(layout, place);
    const model = content.models.find((each) => each.id === id);
    if (!model) throw new RbeeError('MODEL_NOT_FOUND', `the model ${id} is gone already`);
    const plan = planRemoval(content, model);
    await disk.remove(layout.catalogFile(id));
    await disk.syncFolder(layout.catalogFolder());
    const paths = plan.names.map(({ commit, path }) => layout.snapshotFile(place, commit, path));
    for (const path of paths) await disk.remove(path);
    for (const folder of new Set(paths.map(dirname))) await disk.syncFolder(folder);
    for (const name of plan.blobNames) {
      await disk.remove(layout.blob(place, name));
      await disk.remove(layout.damaged(place, name));
    }
    await disk.syncFolder(layout.blobsFolder(place));
    await tidyPlace(disk, layout, place, plan.names);
    const { freed_bytes, shared_bytes } = plan;
    return { model_id: id, model_ref: model.modelRef, freed_bytes, shared_bytes };
  } finally {
    release();
  }
}

interface Removal {
  /** Names that go from the snapshot. */
  readonly names: readonly SnapshotName[];
  /** Blobs that go, there or not. */
  readonly blobNames: ReadonlySet<string>;
  readonly freed_bytes: number;
  readonly shared_bytes: number;
}

/** What of a model goes: what no other model has, and no other name in the place leads to. */
function planRemoval({ state, models }: PlaceModels, model: StoredModel): Removal {
  const others = models.filter(({ id }) => id !== model.id);
  const keptPaths = new Set(
    others.filter(({ commit }) => commit === model.commit).flatMap(({ files }) => files.map(({ path }) => path)),
  );
  const ownPaths = new Set(model.files.map(({ path }) => path).filter((path) => !keptPaths.has(path)));
  const all = [...state.snapshots.values()].flat();
  const isGoing = (name: SnapshotName) => name.commit === model.commit && ownPaths.has(name.path);
  const names = all.filter(isGoing);
  const keptBlobs = new Set([
    ...all.filter((name) => !isGoing(name)).map(({ blobName }) => blobName),
    ...others.flatMap(({ files }) => files.map(({ blobName }) => blobName)),
  ]);
  const ownBlobs = [...names, ...model.files].flatMap(({ blobName }) => (blobName === null ? [] : [blobName]));
  const blobNames = new Set(ownBlobs.filter((name) => !keptBlobs.has(name)));
  const freedBlobs = [...blobNames].flatMap((name) => state.blobs.get(name) ?? []);
  const copies = names.flatMap(({ kind, content }) => (kind === 'file' && content !== null ? [content] : []));
  const sharedBlobs = new Set(ownBlobs.filter((name) => keptBlobs.has(name)));
  return {
    names,
    blobNames,
    freed_bytes: bytesOf([...freedBlobs, ...copies]),
    shared_bytes: bytesOf([...sharedBlobs].flatMap((name) => state.blobs.get(name) ?? [])),
  };
}
