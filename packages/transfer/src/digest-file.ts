import { beforeAbort } from './abort.ts';
import { createDigester, type Digests } from './digest/digest.ts';

export interface DigestFileOptions {
  /** Whether the git sha1 is wanted too. */
  readonly isGit: boolean;
  /** Bytes that the file has. */
  readonly size: number;
  /** Ends the reading at once. */
  readonly signal: AbortSignal;
}

/**
 * Reads a whole file, off the main thread where it is large, and answers its digests. Rejects where the file cannot be
 * read or is shorter than `size`, and with the signal's reason on abort.
 */
export async function digestFile(path: string, { isGit, size, signal }: DigestFileOptions): Promise<Digests> {
  signal.throwIfAborted();
  const digester = createDigester({ path, size, isGit });
  try {
    return await beforeAbort(signal, () => digester.finish(size));
  } finally {
    await digester.close();
  }
}
