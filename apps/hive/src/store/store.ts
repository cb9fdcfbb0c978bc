import { mkdir, stat } from 'node:fs/promises';
import {
  type Clock,
  type ModelId,
  type ModelList,
  type ModelRemoved,
  type ModelsPruned,
  type ModelVerified,
  RbeeError,
} from '@rbee/contract';
import { digestFile, errorOfDisk, volumeOf } from '@rbee/transfer';
import { type PruneOptions, pruneStore } from './cleanup/prune.ts';
import { removeModel } from './cleanup/remove.ts';
import { findModel, listStore, readStore } from './contents/list-store.ts';
import { blobSize, presentBytes, type WantedBlob } from './contents/present-bytes.ts';
import type { StoredModel } from './contents/stored-model.ts';
import { type Disk, realDisk } from './disk.ts';
import { type Layout, OWN_SCHEMES, SHA256 } from './layout.ts';
import { PlaceLocks } from './place-locks.ts';
import { type NewModel, publishModel } from './publish.ts';
import { type VerifyOptions, verifyModel } from './verify.ts';

/** The models on disk. Any name but `*.rbee-*` and `*.incomplete` means: complete, verified, synced. */
export interface Store {
  readonly layout: Layout;
  /** Keeps the files of a place from being removed until the release. @throws RbeeError DISK_FULL, STORE_NOT_WRITABLE */
  acquirePlace(place: string, signal: AbortSignal): Promise<() => void>;
  /** Whether the blob is complete. A file of another size under its name is not the blob. */
  hasBlob(place: string, name: string, size: number | null): Promise<boolean>;
  /** For each file, the bytes of it that are already on disk. */
  presentBytes(place: string, files: readonly WantedBlob[]): Promise<number[]>;
  /** The sha256 of a blob: its name if that is one, else a hash of its bytes. Rejects with the signal's reason on abort. */
  sha256OfBlob(place: string, name: string, signal: AbortSignal): Promise<string>;
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
  verify(model: StoredModel, options: VerifyOptions): Promise<ModelVerified['models'][number]>;
  prune(options: Omit<PruneOptions, 'nowMs'>): Promise<ModelsPruned>;
  /** Free space where the files of a place are written. */
  freeBytes(place: string): Promise<number>;
  /** Free space for models of the hub, and for models of other sources if they are on another file system. */
  freeSpace(): Promise<FreeSpace>;
}

interface FreeSpace {
  readonly free_bytes: number;
  readonly other_free_bytes?: number;
}

export interface StoreOptions {
  readonly clock: Clock;
  /** How the store changes its disk; the real one by default. */
  readonly disk?: Disk;
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
  return createStore(layout, options);
}

function createStore(layout: Layout, { clock, disk = realDisk }: StoreOptions): Store {
  const locks = new PlaceLocks();
  const deps = { layout, disk, locks };
  return {
    layout,
    async acquirePlace(place, signal) {
      const release = await locks.acquireShared(place, signal);
      try {
        // Cache scanners report a repo without these as broken, even while its first download runs.
        await disk.makeFolder(layout.snapshotsFolder(place));
        await disk.makeFolder(layout.refsFolder(place));
        return release;
      } catch (error) {
        release();
        throw await errorOfDisk(error, layout.placeFolder(place), null);
      }
    },
    async hasBlob(place, name, size) {
      const bytes = await blobSize(layout.blob(place, name));
      return bytes !== null && (size === null || bytes === size);
    },
    presentBytes: (place, files) => presentBytes(layout, place, files),
    async sha256OfBlob(place, name, signal) {
      if (SHA256.test(name)) return name;
      const path = layout.blob(place, name);
      const { size } = await stat(path);
      return (await digestFile(path, { isGit: false, size, signal })).sha256;
    },
    publish: (model) => publishModel(disk, layout, model, clock.now()),
    list: () => listStore(layout),
    models: async () => (await readStore(layout)).models,
    find: (id) => findModel(layout, id),
    remove: (id) => removeModel(deps, id),
    verify: (model, verifyOptions) => verifyModel(deps, model, verifyOptions),
    prune: (pruneOptions) => pruneStore(deps, { ...pruneOptions, nowMs: clock.now() }),
    freeBytes: async (place) => (await volumeOf(layout.blobsFolder(place))).freeBytes,
    freeSpace: () => freeSpaceOf(layout),
  };
}

async function freeSpaceOf(layout: Layout): Promise<FreeSpace> {
  const hub = await volumeOf(layout.modelsDir);
  const others = await Promise.all(OWN_SCHEMES.map((scheme) => volumeOf(layout.schemeFolder(scheme))));
  const elsewhere = others.filter(({ device }) => device !== hub.device).map(({ freeBytes }) => freeBytes);
  const other = elsewhere.length === 0 ? {} : { other_free_bytes: Math.min(...elsewhere) };
  return { free_bytes: hub.freeBytes, ...other };
}
