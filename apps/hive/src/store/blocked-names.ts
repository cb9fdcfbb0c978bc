import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { RbeeError } from '@rbee/contract';
import { ifExists } from './disk.ts';
import type { Layout } from './layout.ts';

export interface NamesOfModel {
  readonly place: string;
  readonly revision: string;
  readonly commit: string;
  readonly files: readonly { readonly path: string; readonly blobName: string }[];
}

/**
 * Looks before the first byte whether a folder is in the place of a file, or a file in that of a folder: nothing could be published then.
 * @throws RbeeError STORE_NOT_WRITABLE
 */
export async function assertNamesFree(layout: Layout, { place, revision, commit, files }: NamesOfModel): Promise<void> {
  await assertFree(
    layout.blobsFolder(place),
    files.map(({ blobName }) => blobName),
  );
  await assertFree(
    layout.snapshotFolder(place, commit),
    files.map(({ path }) => path),
  );
  if (revision !== commit) await assertFree(layout.refsFolder(place), [revision]);
}

/** Lists the folder once, rather than looking up each of ten thousand files. */
async function assertFree(top: string, paths: readonly string[]): Promise<void> {
  const files = new Set(paths);
  const folders = new Set(paths.flatMap(parentsOf));
  for (const entry of await ifExists(readdir(top, { recursive: true, withFileTypes: true }), [])) {
    const path = relative(top, join(entry.parentPath, entry.name)).split(sep).join('/');
    if (entry.isDirectory() && files.has(path)) throw blocked(join(top, path), 'a folder', 'a file');
    if (entry.isFile() && folders.has(path)) throw blocked(join(top, path), 'a file', 'a folder');
  }
}

function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

function blocked(path: string, found: string, needed: string): RbeeError {
  return new RbeeError('STORE_NOT_WRITABLE', `${path} is ${found}, where ${needed} has to be`, {
    hint: 'another program has put it there: move it away, and retry',
  });
}
