import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempDir {
  /** Absolute, with symbolic links resolved, so that it equals what a program reports. */
  readonly path: string;
  /** Removes the folder with all it holds; again is fine. */
  remove(): Promise<void>;
}

const PREFIX = 'rbee-test-';
/** A process that is just ending may still write; removing tries again that often. */
const removeRetries = 5;

/** A fresh, empty folder of the caller's own. The caller removes it. */
export async function tempDir(): Promise<TempDir> {
  const path = await realpath(await mkdtemp(join(tmpdir(), PREFIX)));
  return {
    path,
    remove: () => rm(path, { recursive: true, force: true, maxRetries: removeRetries }),
  };
}
