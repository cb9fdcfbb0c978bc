import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type FileRef, printModelRef, RbeeError } from '@rbee/contract';
import { placeName, safeFileName, versionBlobName, versionOf } from '../names.ts';
import type { ResolvedModel, Source } from '../source.ts';

/** What a path stands for may move; this is what the store calls the newest. */
const LATEST = 'latest';

/** A file of this machine. Size and time of change tell its versions apart; its content is hashed when it is copied. */
export function createLocalFiles(): Source<FileRef> {
  return {
    async resolve(ref, signal): Promise<ResolvedModel> {
      signal.throwIfAborted();
      const { path } = ref;
      const { size, version } = await lookAtFile(path);
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
export async function lookAtFile(path: string): Promise<{ size: number; version: string; isReadOnly: boolean }> {
  let handle: FileHandle | null = null;
  try {
    // A FIFO would hold up whoever opens it until somebody writes.
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

/** What is wrong with the file that a ref names: no path is repeated, for a client may not know what is there. */
export function errorOfOriginal(error: unknown): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ENAMETOOLONG':
    case 'ELOOP':
      return new RbeeError('MODEL_NOT_FOUND', "the hive's machine has no such file", {
        hint: 'the path is one of the machine that the hive runs on',
      });
    case 'EACCES':
    case 'EPERM':
      return new RbeeError('MODEL_ACCESS_DENIED', 'the hive may not read that file', {
        hint: 'give the user that the hive runs as the right to read it',
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
    hint: 'only a regular file is copied',
  });
}
