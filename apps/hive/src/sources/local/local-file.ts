import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { printModelRef, RbeeError } from '@rbee/contract';
import { placeName, safeFileName, versionBlobName, versionOf } from '../names.ts';
import type { ResolvedModel, Source } from '../source.ts';

/** The store's name for the newest version of a file. */
const LATEST = 'latest';

/** A file of this machine. Size and time of change tell its versions apart; the content is hashed during the copy. */
export function createLocalFiles(): Source<'file'> {
  return {
    async resolve(ref, signal): Promise<ResolvedModel> {
      signal.throwIfAborted();
      const { path } = ref;
      const { size, version } = await inspectFile(path);
      const name = safeFileName(basename(path)) ?? 'model';
      const file = {
        path: name,
        blobName: versionBlobName(version),
        size,
        sha256: null,
        gitSha1: null,
        local: { path, version },
        locate: async () => ({ url: pathToFileURL(path).href }),
      };
      return {
        place: `file:${placeName(name, path)}`,
        title: 'this machine',
        revision: LATEST,
        commit: version,
        files: [file],
        pinnedRef: () => printModelRef(ref),
      };
    },
  };
}

/** Size and version of a regular file that can be read. @throws RbeeError as `errorOfOriginal` says */
export async function inspectFile(path: string): Promise<{ size: number; version: string; isReadOnly: boolean }> {
  let handle: FileHandle | null = null;
  try {
    // Opening a FIFO would block until somebody writes to it.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await handle.stat({ bigint: true });
    if (found.isDirectory()) {
      throw new RbeeError('MODEL_NOT_FOUND', 'the path is a folder', {
        hint: 'name the file itself: file:///abs/path',
      });
    }
    if (!found.isFile()) throw notAFile();
    const size = Number(found.size);
    const version = versionOf([path, size, String(found.mtimeNs)]);
    return { size, version, isReadOnly: (found.mode & 0o222n) === 0n };
  } catch (error) {
    throw errorOfOriginal(error);
  } finally {
    await handle?.close();
  }
}

/** The error for a file that cannot be read. It repeats no path: clients must not learn what exists. */
export function errorOfOriginal(error: unknown): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ENAMETOOLONG':
    case 'ELOOP':
      return new RbeeError('MODEL_NOT_FOUND', "the hive's machine has no such file", {
        hint: 'the path is on the machine of the hive',
      });
    case 'EACCES':
    case 'EPERM':
      return new RbeeError('MODEL_ACCESS_DENIED', 'the hive has no permission to read that file', {
        hint: 'give the user of the hive permission to read it',
      });
    case 'ENXIO':
    case 'ENODEV':
      return notAFile();
    case 'EIO':
      return new RbeeError('DOWNLOAD_FAILED', 'that file cannot be read (EIO)', { hint: 'its disk may be damaged' });
    default:
      return error;
  }
}

function notAFile(): RbeeError {
  return new RbeeError('SOURCE_NOT_ALLOWED', 'the path is a device, a pipe or a socket', {
    hint: 'only regular files can be copied',
  });
}
