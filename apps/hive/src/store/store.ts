import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import {
  type Clock,
  type ModelId,
  type ModelList,
  type ModelRemoved,
  type ModelsPruned,
  type ModelVerified,
  RbeeError,
} from '@rbee/contract';
import { errorOfDisk, volumeOf } from '@rbee/transfer';
import { type PruneOptions, pruneStore } from './cleanup/prune.ts';
import { removeModel } from './cleanup/remove.ts';
import { findModel, listStore, readStore } from './contents/list-store.ts';
import { blobSize, presentBytes, type WantedBlob } from './contents/present-bytes.ts';
import type { StoredModel } from './contents/stored-model.ts';
import { type Disk, realDisk } from './disk.ts';
import { type Layout, OWN_SCHEMES } from './layout.ts';
import { PlaceUses } from './place-locks.ts';
import { type NewModel, publishModel } from './publish.ts';
import { type VerifyOptions, verifyModel } from './verify.ts';

/** The models on disk. A name outside `*.incomplete` means: complete, verified, synced. */
export interface Store {
  readonly layout: Layout;
  /** Keeps what is in a place from being taken away until the release. @throws RbeeError DISK_FULL, STORE_NOT_WRITABLE */
  use(place: string, signal: AbortSignal): Promise<() => void>;
  /** Whether the blob is there in full. A file of another size under its name is not the blob. */
  hasBlob(place: string, name: string, size: number | null): Promise<boolean>;
  /** For each file, the bytes of it that are there already. */
  presentBytes(place: string, files: readonly WantedBlob[]): Promise<number[]>;
  /** The sha256 of a blob: read off its name where that is one. */
  sha256OfBlob(place: string, name: string): Promise<string>;
  /** Makes a model visible; the answer is the path of its first file. @throws RbeeError DISK_FULL, STORE_NOT_WRITABLE */
  publish(model: NewModel): Promise<string>;
  /** Every model that is complete, newest first, with partials and problems. */
  list(): Promise<ModelList>;
  /** Every model, also those of the catalog that lack files. */
  models(): Promise<readonly StoredModel[]>;
  /** One of them. @throws RbeeError MODEL_NOT_FOUND */
  find(id: ModelId): Promise<StoredModel>;
  /** @throws RbeeError MODEL_NOT_FOUND, STATUS_CONFLICT */
  remove(id: ModelId): Promise<ModelRemoved>;
  verify(model: StoredModel, options: VerifyOptions): Promise<ModelVerified['models'][number]>;
  prune(options: Omit<PruneOptions, 'nowMs'>): Promise<ModelsPruned>;
  /** Where the files of a place are, or will be written. */
  freeBytes(place: string): Promise<number>;
  /** Where models of a hub are, and where those of other sources are when that is another file system. */
  freeRoom(): Promise<FreeRoom>;
}

export interface FreeRoom {
  readonly free_bytes: number;
  readonly other_free_bytes?: number;
}

export interface StoreOptions {
  readonly clock: Clock;
  /** The changes to the disk; the real ones where nothing is said. */
  readonly disk?: Disk;
}

/** @throws RbeeError STORE_NOT_WRITABLE */
export async function openStore(layout: Layout, options: StoreOptions): Promise<Store> {
  try {
    await mkdir(layout.modelsDir, { recursive: true });
  } catch (error) {
    throw new RbeeError('STORE_NOT_WRITABLE', `the models folder cannot be made: ${(error as Error).message}`, {
      hint: 'give the hive a folder it may write: --models-dir',
    });
  }
  return createStore(layout, options);
}

function createStore(layout: Layout, { clock, disk = realDisk }: StoreOptions): Store {
  const uses = new PlaceUses();
  const deps = { layout, disk, uses };
  return {
    layout,
    async use(place, signal) {
      const release = await uses.share(place, signal);
      try {
        // A scanner of the cache takes a repo without these for a broken one, also while the first download runs.
        await disk.makeFolder(layout.snapshotsFolder(place));
        await disk.makeFolder(layout.refsFolder(place));
        return release;
      } catch (error) {
        release();
        throw await errorOfDisk(error, layout.placeFolder(place), null);
      }
    },
    async hasBlob(place, name, size) {
      const found = await blobSize(layout.blob(place, name));
      return found !== null && (size === null || found === size);
    },
    presentBytes: (place, files) => presentBytes(layout, place, files),
    async sha256OfBlob(place, name) {
      if (/^[0-9a-f]{64}$/.test(name)) return name;
      const hash = createHash('sha256');
      await pipeline(createReadStream(layout.blob(place, name)), hash);
      return hash.digest('hex');
    },
    publish: (model) => publishModel(disk, layout, model, clock.now()),
    list: () => listStore(layout),
    models: async () => (await readStore(layout)).models,
    find: (id) => findModel(layout, id),
    remove: (id) => removeModel(deps, id),
    verify: (model, verifyOptions) => verifyModel(deps, model, verifyOptions),
    prune: (pruneOptions) => pruneStore(deps, { ...pruneOptions, nowMs: clock.now() }),
    freeBytes: async (place) => (await volumeOf(layout.blobsFolder(place))).freeBytes,
    freeRoom: () => freeRoomOf(layout),
  };
}

async function freeRoomOf(layout: Layout): Promise<FreeRoom> {
  const hub = await volumeOf(layout.modelsDir);
  const others = await Promise.all(OWN_SCHEMES.map((scheme) => volumeOf(layout.schemeFolder(scheme))));
  const elsewhere = others.filter(({ device }) => device !== hub.device).map(({ freeBytes }) => freeBytes);
  const other = elsewhere.length === 0 ? {} : { other_free_bytes: Math.min(...elsewhere) };
  return { free_bytes: hub.freeBytes, ...other };
}
