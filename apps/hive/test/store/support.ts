import { createHash } from 'node:crypto';
import { mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ModelsPruned } from '@rbee/contract';
import { createManualClock, type ManualClock, type TempDir, tempDir } from '@rbee/testing';
import type { PruneOptions } from '../../src/store/cleanup/prune.ts';
import { type Disk, realDisk } from '../../src/store/disk.ts';
import { createLayout, type Layout } from '../../src/store/layout.ts';
import { openStore, type Store } from '../../src/store/store.ts';

export const PLACE = 'hf:org/model';
export const COMMIT = '0123456789abcdef0123456789abcdef01234567';
export const OTHER_COMMIT = 'fedcba9876543210fedcba9876543210fedcba98';

export const sha256Of = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
export const gitSha1Of = (content: string): string =>
  createHash('sha1')
    .update(`blob ${Buffer.byteLength(content)}\0${content}`)
    .digest('hex');

/** A file by its path in the repo; its blob is named by its sha256, or by its git sha1. */
export interface TestFile {
  readonly path: string;
  readonly content: string;
  readonly isGit?: boolean;
}

export interface TestStore {
  readonly folder: TempDir;
  readonly layout: Layout;
  readonly store: Store;
  readonly clock: ManualClock;
  /** The same folder, opened as by the next start of a hive. */
  reopen(disk?: Disk): Promise<Store>;
  putBlob(content: string, options?: { place?: string; isGit?: boolean }): Promise<string>;
  /** Writes blobs and publishes them as one model: a download without its transfer. */
  download(files: readonly TestFile[], options?: DownloadOptions): Promise<string>;
  /** Writes blobs and links as another tool does, without an entry in the catalog. */
  putByHand(files: readonly TestFile[], options?: { commit?: string }): Promise<void>;
  /** Sets the modification time of a file this many hours back. */
  age(path: string, hours: number): Promise<void>;
  prune(options?: Partial<Omit<PruneOptions, 'nowMs'>>): Promise<ModelsPruned>;
}

interface DownloadOptions {
  readonly commit?: string;
  readonly revision?: string;
  readonly modelRef?: string;
  readonly store?: Store;
}

const MS_PER_HOUR = 3_600_000;

export async function openTestStore(): Promise<TestStore> {
  const folder = await tempDir();
  const layout = createLayout(join(folder.path, 'hub'));
  const clock = createManualClock(Date.now());
  const reopen = (disk: Disk = realDisk) => openStore(layout, { clock, disk });
  const store = await reopen();
  const putBlob: TestStore['putBlob'] = async (content, { place = PLACE, isGit = false } = {}) => {
    const name = isGit ? gitSha1Of(content) : sha256Of(content);
    await mkdir(layout.blobsFolder(place), { recursive: true });
    await writeFile(layout.blob(place, name), content);
    return name;
  };
  const toStored = async ({ path, content, isGit = false }: TestFile) => ({
    path,
    blobName: await putBlob(content, { isGit }),
    sha256: sha256Of(content),
  });
  return {
    folder,
    layout,
    store,
    clock,
    reopen,
    putBlob,
    async download(files, { commit = COMMIT, revision = 'main', modelRef, store: into = store } = {}) {
      const stored = [];
      for (const file of files) stored.push(await toStored(file));
      const names = files.map(({ path }) => `::file=${path}`).join('');
      const ref = modelRef ?? `hf:org/model@${commit}${names}`;
      return into.publish({ place: PLACE, revision, commit, modelRef: ref, files: stored });
    },
    async putByHand(files, { commit = COMMIT } = {}) {
      for (const file of files) {
        const { blobName } = await toStored(file);
        const path = layout.snapshotFile(PLACE, commit, file.path);
        await mkdir(dirname(path), { recursive: true });
        await symlink(layout.linkTarget(file.path, blobName), path);
      }
    },
    async age(path, hours) {
      const at = new Date(clock.now() - hours * MS_PER_HOUR);
      await utimes(path, at, at);
    },
    prune: (options = {}) =>
      store.prune({
        ...{ dryRun: false, isWanted: () => false, signal: new AbortController().signal, onRemoved: () => {} },
        ...options,
      }),
  };
}

/** A disk that fails after this many changes, which leaves what a crash at that moment would. */
export function createFailingDisk(changesLeft: number): { readonly disk: Disk; readonly hasFailed: () => boolean } {
  let left = changesLeft;
  let hasFailed = false;
  const step = () => {
    if (left <= 0) {
      hasFailed = true;
      throw new Error('the process is gone');
    }
    left -= 1;
  };
  const counted =
    <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      step();
      return work(...args);
    };
  const disk: Disk = {
    putLink: counted(realDisk.putLink),
    putText: counted(realDisk.putText),
    copy: counted(realDisk.copy),
    makeFolder: counted(realDisk.makeFolder),
    rename: counted(realDisk.rename),
    remove: counted(realDisk.remove),
    removeEmptyFolder: counted(realDisk.removeEmptyFolder),
    syncFolder: counted(realDisk.syncFolder),
  };
  return { disk, hasFailed: () => hasFailed };
}
