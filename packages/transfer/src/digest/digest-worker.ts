import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { type DigestResult, type DigestTask, END_CELL, FRONTIER_CELL } from './digest-channel.ts';

/** Small enough to stay in the CPU cache between read and hash. */
const readBytes = 256 * 2 ** 10;
/** The worker wakes up after this even if it missed a notification. */
const maxSleepMs = 1_000;

/** Hashes the file up to the frontier, from the page cache, until the end is known and reached. */
function digestFile(task: DigestTask): DigestResult {
  const { offsets, changes } = task.shared;
  const sha256 = createHash('sha256');
  const gitSha1 = task.gitSize === null ? null : createHash('sha1').update(`blob ${task.gitSize}\0`);
  const hashes = gitSha1 === null ? [sha256] : [sha256, gitSha1];
  const buffer = Buffer.allocUnsafeSlow(readBytes);
  const file = openSync(task.path, 'r');
  try {
    let hashed = 0;
    for (;;) {
      const change = Atomics.load(changes, 0);
      const end = Atomics.load(offsets, END_CELL);
      const frontier = Number(Atomics.load(offsets, FRONTIER_CELL));
      if (BigInt(hashed) === end) break;
      if (hashed < frontier) hashed += update(hashes, file, buffer, hashed, frontier);
      else Atomics.wait(changes, 0, change, maxSleepMs);
    }
    return { kind: 'done', sha256: sha256.digest('hex'), gitSha1: gitSha1?.digest('hex') ?? null };
  } finally {
    closeSync(file);
  }
}

function update(hashes: readonly Hash[], file: number, buffer: Buffer, from: number, to: number): number {
  const bytes = readSync(file, buffer, 0, Math.min(buffer.length, to - from), from);
  if (bytes === 0) throw new Error('the file is shorter than what was written to it');
  const read = buffer.subarray(0, bytes);
  for (const hash of hashes) hash.update(read);
  return bytes;
}

function run(task: DigestTask): DigestResult {
  try {
    return digestFile(task);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && 'code' in error ? String(error.code) : null;
    return { kind: 'failed', message, code };
  }
}

parentPort?.postMessage(run(workerData as DigestTask));
