import { createCipheriv, createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

const chunkBytes = 1024 * 1024;
/** Fixed, so that two benches of the same size serve the same file. */
const key = Buffer.alloc(16, 'rbee');
const counter = Buffer.alloc(16);

/** Writes an incompressible file and syncs it, so that its write-back does not slow a run. Returns its sha256. */
export async function makeContent(path: string, sizeBytes: number, signal: AbortSignal): Promise<string> {
  const zeros = Buffer.alloc(chunkBytes);
  const stream = createCipheriv('aes-128-ctr', key, counter);
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  try {
    for (let left = sizeBytes; left > 0; left -= chunkBytes) {
      signal.throwIfAborted();
      const chunk = stream.update(zeros.subarray(0, Math.min(left, chunkBytes)));
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** The sha256 of a file, in hex. */
export async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: chunkBytes }), hash, { signal });
  return hash.digest('hex');
}
