import { mkdir } from 'node:fs/promises';
import {
  type Clock,
  errnoOf,
  type ModelId,
  type ModelList,
  type ModelRemoved,
  type ModelsPruned,
  type ModelVerified,
  RbeeError,
} from '@rbee/contract';
import { errorOfDisk, volumeOf } from '@rbee/transfer';
import { assertNamesFree, type NamesOfModel } from './blocked-names.ts';
import { type PruneOptions, pruneStore } from './cleanup/prune.ts';
import { removeModel, weighRemoval } from './cleanup/remove.ts';
import { findModel, listStore, readStore } from './contents/list-store.ts';
import { findFile, type PresentFile, presentBytes, sha256Of, type WantedFile } from './contents/present-bytes.ts';
import { isFolder } from './contents/reached.ts';
import type { StoredModel } from './contents/stored-model.ts';
import { type Disk, realDisk } from './disk.ts';
import { adoptForeignPartial, foreignBytes } from './foreign-partials.ts';
import { identifyStore, type StoreIdentity } from './identity.ts';
import type { Layout } from './layout.ts';
import { type Migration, migrateStore } from './migrate.ts';
import { PlaceLocks } from './place-locks.ts';
import { type NewModel, pathOf, publishModel, REFUSED } from './publish.ts';
import { type VerifyOptions, verifyModel } from './verify.ts';

/** The models on disk. Any name but `*.rbee-*` and `*.incomplete` means: complete, verified, synced. */
export interface Store {
  readonly layout: Layout;
  /**
   * Keeps the files of a place from being removed until the release.
   * @throws RbeeError DISK_FULL, STORE_NOT_WRITABLE, also if the disk of the store is not mounted any more
   */
  acquirePlace(place: string, signal: AbortSignal): Promise<() => void>;
  /** @throws RbeeError STORE_NOT_WRITABLE if the models folder is not the one that the hive started with, or not its own */
  assertSame(): Promise<void>;
  /** Where the content of a file is, complete; null if it has to be fetched. */
  findFile(place: string, commit: string, file: WantedFile): Promise<PresentFile | null>;
  /** For each file, the bytes of it that are already on disk. */
  /** Whether another program has put something where the model has to be. @throws RbeeError STORE_NOT_WRITABLE */
  assertNamesFree(model: NamesOfModel): Promise<void>;
  presentBytes(place: string, commit: string, files: readonly WantedFile[]): Promise<number[]>;
  /** The sha256 of a file that is there; null if it is not the wanted one. Rejects with the signal's reason on abort. */
  sha256Of(
    place: string,
    present: PresentFile,
    file: Pick<WantedFile, 'blobName' | 'sha256' | 'gitSha1'>,
    signal: AbortSignal,
  ): Promise<string | null>;
  /** For each file, the bytes that `adoptPartial` would take over if nothing of it is on disk. */
  foreignBytes(place: string, files: readonly WantedFile[]): Promise<number[]>;
  /** Takes over what another tool has fetched of a file; returns the bytes. @throws RbeeError DISK_FULL, STORE_NOT_WRITABLE */
  adoptPartial(place: string, file: WantedFile, signal: AbortSignal): Promise<number>;
  /** Makes a model visible; returns the path of its first file. @throws RbeeError DISK_FULL, STORE_NOT_WRITABLE */
  publish(model: NewModel): Promise<string>;
  /** Every complete model, newest first, with partials and problems. */
  list(): Promise<ModelList>;
  /** Every model, including models of the catalog that lack files. */
  models(): Promise<readonly StoredModel[]>;
  /** One of them. @throws RbeeError MODEL_NOT_FOUND */
  find(id: ModelId): Promise<StoredModel>;
  /** @throws RbeeError MODEL_NOT_FOUND, STATUS_CONFLICT */
  remove(id: ModelId): Promise<ModelRemoved>;
  /** What a removal would free, after that of other models. @throws RbeeError MODEL_NOT_FOUND */
  weighRemoval(id: ModelId, after: readonly ModelId[]): Promise<ModelRemoved>;
  verify(model: StoredModel, options: VerifyOptions): Promise<ModelVerified['models'][number]>;
  prune(options: Omit<PruneOptions, 'nowMs'>): Promise<ModelsPruned>;
  /** Moves what older versions kept beside the models folder into it. The store must be locked. */
  migrate(): Promise<Migration>;
  /** Free space where the files of a place are written; null if its file system does not tell. */
  freeBytes(place: string): Promise<number | null>;
  /** Free space of the models folder. */
  freeSpace(): Promise<{ readonly free_bytes: number | null }>;
}

export interface StoreOptions {
  readonly clock: Clock;
  /** How the store changes its disk; the real one by default. */
  readonly disk?: Disk;
  /** Rejects if another hive owns the store; called before anything is written. */
  readonly assertOwned?: () => Promise<void>;
}

/** @throws RbeeError STORE_NOT_WRITABLE */
export async function openStore(layout: Layout, options: StoreOptions): Promise<Store> {
  try {
    await mkdir(layout.modelsDir, { recursive: true });
  } catch (error) {
    throw new RbeeError('STORE_NOT_WRITABLE', `cannot create the models folder: ${(error as Error).message}`, {
      hint: 'choose a folder that the hive can write to: --models-dir',
    });
  }
  return createStore(layout, await identifyStore(layout.modelsDir), options);
}

function createStore(
  layout: Layout,
  identity: StoreIdentity,
  { clock, disk = realDisk, assertOwned = async () => {} }: StoreOptions,
): Store {
  const assertSame = async () => {
    await identity.assertSame();
    await assertOwned();
  };
  const locks = new PlaceLocks();
  const deps = { layout, disk, locks };
  return {
    layout,
    async acquirePlace(place, signal) {
      const release = await locks.acquireShared(place, signal);
      try {
        await assertSame();
        await makePlace(disk, layout, place);
        return release;
      } catch (error) {
        release();
        throw await errorOfDisk(error, pathOf(error) ?? layout.placeFolder(place), null);
      }
    },
    assertSame,
    findFile: (place, commit, file) => findFile(layout, place, commit, file),
    assertNamesFree: (model) => assertNamesFree(layout, model),
    presentBytes: (place, commit, files) => presentBytes(layout, place, commit, files),
    sha256Of: (place, present, file, signal) => sha256Of(layout, place, present, file, signal),
    foreignBytes: (place, files) => foreignBytes(layout, place, files),
    async adoptPartial(place, file, signal) {
      try {
        return await adoptForeignPartial(layout, place, file, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw await errorOfDisk(error, pathOf(error) ?? layout.partial(place, file.blobName), file.size);
      }
    },
    async publish(model) {
      await assertSame();
      return publishModel(disk, layout, model, clock.now());
    },
    migrate: () => migrateStore(disk, layout),
    list: () => listStore(layout),
    models: async () => (await readStore(layout)).models,
    find: (id) => findModel(layout, id),
    remove: (id) => removeModel(deps, id),
    weighRemoval: (id, after) => weighRemoval(deps, id, after),
    verify: (model, verifyOptions) => verifyModel(deps, model, verifyOptions),
    prune: (pruneOptions) => pruneStore(deps, { ...pruneOptions, nowMs: clock.now() }),
    freeBytes: async (place) => (await volumeOf(layout.blobsFolder(place))).freeBytes,
    freeSpace: async () => ({ free_bytes: (await volumeOf(layout.modelsDir)).freeBytes }),
  };
}

/**
 * Cache scanners report a repo without these folders as broken, even while its first download runs. If they cannot be made
 * in a repo of somebody else, what is complete there can be used nevertheless; anything else fails when it is written.
 */
async function makePlace(disk: Disk, layout: Layout, place: string): Promise<void> {
  try {
    await disk.makeFolder(layout.snapshotsFolder(place));
    await disk.makeFolder(layout.refsFolder(place));
  } catch (error) {
    const isThere = await isFolder(layout.placeFolder(place));
    if (!isThere || !REFUSED.includes(errnoOf(error))) throw error;
  }
}
