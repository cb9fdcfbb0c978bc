import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempDir {
  /** Absolute, with symbolic links resolved, so that it equals the path that a program reports. */
  readonly path: string;
  /** Removes the folder and its content; may be called again. */
  remove(): Promise<void>;
}

const PREFIX = 'rbee-test-';
/** A process that is just ending may still write; removal is retried this often. */
const removeRetries = 5;

/** A new, empty folder. The caller removes it. */
export async function tempDir(): Promise<TempDir> {
  const path = await realpath(await mkdtemp(join(tmpdir(), PREFIX)));
  return {
    path,
    remove: () => rm(path, { recursive: true, force: true, maxRetries: removeRetries }),
  };
}
