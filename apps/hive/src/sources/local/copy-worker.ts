import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

/** The file to read, and the file to write; null to hash only. */
export interface CopyTask {
  readonly from: string;
  readonly to: string | null;
}

export type CopyMessage =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'done'; readonly bytes: number; readonly sha256: string }
  | { readonly kind: 'failed'; readonly side: 'from' | 'to'; readonly message: string; readonly code: string | null };

/** Small enough to stay in the CPU cache from the read to the hash and the write. */
const BLOCK_BYTES = 512 * 1024;
/** How often progress is posted. */
const PROGRESS_BYTES = 8 * 1024 * 1024;

function copy({ from, to }: CopyTask): CopyMessage {
  let side: 'from' | 'to' = 'from';
  const open: number[] = [];
  try {
    const source = openSync(from, constants.O_RDONLY | constants.O_NONBLOCK);
    open.push(source);
    if (!fstatSync(source).isFile()) throw Object.assign(new Error('no longer a file'), { code: 'ENODEV' });
    side = 'to';
    const target = to === null ? null : openSync(to, 'wx');
    if (target !== null) open.push(target);
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    let bytes = 0;
    let posted = 0;
    for (;;) {
      side = 'from';
      const read = readSync(source, buffer, 0, buffer.length, bytes);
      if (read === 0) break;
      const block = buffer.subarray(0, read);
      hash.update(block);
      side = 'to';
      if (target !== null) writeWhole(target, block, bytes);
      bytes += read;
      if (bytes - posted < PROGRESS_BYTES) continue;
      posted = bytes;
      post({ kind: 'progress', bytes });
    }
    side = 'to';
    // A clone or a link must be on disk too before it gets its final name.
    fsyncSync(target ?? source);
    return { kind: 'done', bytes, sha256: hash.digest('hex') };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: 'failed', side, message, code: (error as NodeJS.ErrnoException).code ?? null };
  } finally {
    for (const file of open) closeSync(file);
  }
}

function writeWhole(file: number, block: Buffer, position: number): void {
  for (let done = 0; done < block.length; ) done += writeSync(file, block, done, block.length - done, position + done);
}

function post(message: CopyMessage): void {
  parentPort?.postMessage(message);
}

post(copy(workerData as CopyTask));
