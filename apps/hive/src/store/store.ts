import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readlink, realpath, rename, stat, statfs, symlink } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Model, modelIdOf, printModelRef, RbeeError, toTimestamp } from '@rbee/contract';
import { errorOfDisk } from '@rbee/transfer';
import { type Layout, repoOfFolder } from './layout.ts';

/** One file of a snapshot: its path in the repo and the blob that holds its bytes. */
export interface StoredFile {
  readonly path: string;
  readonly blobName: string;
}

/** The models on disk. A name outside `*.incomplete` means: complete, verified, synced. */
export interface Store {
  readonly layout: Layout;
  /** Whether the blob is there in full. A file of another size under its name is not the blob. */
  hasBlob(place: string, name: string, size: number | null): Promise<boolean>;
  /** The sha256 of a blob: read off its name where that is one. */
  sha256OfBlob(place: string, name: string): Promise<string>;
  /**
   * Makes files visible under their commit and revision; the answer is the path of the first file.
   * @throws RbeeError DISK_FULL, STORE_NOT_WRITABLE
   */
  publish(place: string, revision: string, commit: string, files: readonly StoredFile[]): Promise<string>;
  /** Every model that is complete, newest first. */
  list(): Promise<Model[]>;
  freeBytes(): Promise<number>;
}

function createStore(layout: Layout): Store {
  return {
    layout,
    async hasBlob(place, name, size) {
      const found = await statOrNull(layout.blob(place, name));
      return found !== null && (size === null || found.size === size);
    },
    async sha256OfBlob(place, name) {
      if (/^[0-9a-f]{64}$/.test(name)) return name;
      const hash = createHash('sha256');
      await pipeline(createReadStream(layout.blob(place, name)), hash);
      return hash.digest('hex');
    },
    async publish(place, revision, commit, files) {
      const [first] = files;
      if (!first) throw new Error('a snapshot without files');
      try {
        for (const { path, blobName } of files) {
          const target = layout.linkTarget(path, blobName);
          await putLink(layout.snapshotFile(place, commit, path), target);
        }
        if (revision !== commit) await putText(layout.ref(place, revision), commit);
      } catch (error) {
        throw await errorOfDisk(error, layout.blob(place, first.blobName), null);
      }
      return layout.snapshotFile(place, commit, first.path);
    },
    list: () => listModels(layout),
    async freeBytes() {
      const { bavail, bsize } = await statfs(layout.modelsDir);
      return bavail * bsize;
    },
  };
}

/** @throws RbeeError STORE_NOT_WRITABLE */
export async function openStore(layout: Layout): Promise<Store> {
  try {
    await mkdir(layout.modelsDir, { recursive: true });
  } catch (error) {
    throw new RbeeError('STORE_NOT_WRITABLE', `the models folder cannot be made: ${(error as Error).message}`, {
      hint: 'give the hive a folder it may write: --models-dir',
    });
  }
  return createStore(layout);
}

async function statOrNull(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function putLink(path: string, target: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  try {
    await symlink(target, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if ((await readlinkOrNull(path)) === target) return;
    const temporary = temporaryName(path);
    await symlink(target, temporary);
    await rename(temporary, path);
  }
  await syncFolder(dirname(path));
}

async function readlinkOrNull(path: string): Promise<string | null> {
  try {
    return await readlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return null;
    throw error;
  }
}

async function putText(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryName(path);
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** A name of its own for each writer: two downloads may publish the same revision at once. */
function temporaryName(path: string): string {
  return `${path}.${randomUUID()}.incomplete`;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function listModels(layout: Layout): Promise<Model[]> {
  const models: Model[] = [];
  for (const folder of await readdir(layout.modelsDir)) {
    const repo = repoOfFolder(folder);
    if (repo === null) continue;
    const snapshots = join(layout.modelsDir, folder, 'snapshots');
    for (const commit of await readdirOrEmpty(snapshots))
      models.push(...(await listSnapshot(repo, join(snapshots, commit))));
  }
  return models.sort((a, b) => b.modified_at.localeCompare(a.modified_at));
}

async function listSnapshot(repo: string, folder: string): Promise<Model[]> {
  const commit = folder.slice(folder.lastIndexOf(sep) + 1);
  const models: Model[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory() || entry.name.endsWith('.incomplete')) continue;
    const path = join(entry.parentPath, entry.name);
    // A link whose blob is gone is no model.
    const found = await statOrNull(path);
    if (found === null || !(await realpath(path)).startsWith(await realpath(join(folder, '..', '..')))) continue;
    const file = relative(folder, path).split(sep).join('/');
    const ref = { scheme: 'hf', repo, revision: commit, files: [file], include: [], exclude: [], quant: null } as const;
    const model_ref = printModelRef(ref);
    models.push({
      model_id: modelIdOf(model_ref),
      model_ref,
      bytes: found.size,
      files: 1,
      path,
      modified_at: toTimestamp(found.mtimeMs),
    });
  }
  return models;
}

async function readdirOrEmpty(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
