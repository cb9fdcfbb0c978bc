import { createHash } from 'node:crypto';

/** Bytes that can be read at any position without being held in memory. */
export interface Content {
  readonly size: number;
  /** Bytes from `start` up to, not including, `end`, in a Buffer that the caller owns. */
  read(start: number, end: number): Buffer;
}

/** A file that is generated while it is read: the same size and seed always give the same bytes. */
export interface GeneratedFile {
  readonly size: number;
  readonly seed: number;
  /** For a file too large to be read whole: its digests do not match its bytes, so no client can finish it. */
  readonly hasMadeUpDigests?: true;
}

export interface Digests {
  readonly sha256: string;
  /** The git blob id: sha1 over `blob <size>\0` and the bytes. */
  readonly gitSha1: string;
}

const patternSize = 1024 * 1024;
/** Each page starts with its number, so that all pages of a file differ and misplaced bytes show. */
const pageSize = 4096;
const stampSize = 8;
const hashSliceSize = 1024 * 1024;

export function toContent(source: Buffer | GeneratedFile): Content {
  return Buffer.isBuffer(source) ? bufferContent(source) : generatedContent(source);
}

/** The bytes of a generated file, or a part of them, for comparison. */
export function generateBytes(file: GeneratedFile, start = 0, end: number = file.size): Buffer {
  return generatedContent(file).read(start, end);
}

/** The same bytes with one of them inverted. */
export function corrupted(content: Content, at: number): Content {
  return {
    size: content.size,
    read(start, end) {
      const bytes = content.read(start, end);
      if (at >= start && at < end) bytes.writeUInt8(bytes.readUInt8(at - start) ^ 0xff, at - start);
      return bytes;
    },
  };
}

export function digestsOf(content: Content): Digests {
  const sha256 = createHash('sha256');
  const sha1 = createHash('sha1').update(`blob ${content.size}\0`);
  for (let start = 0; start < content.size; start += hashSliceSize) {
    const slice = content.read(start, Math.min(start + hashSliceSize, content.size));
    sha256.update(slice);
    sha1.update(slice);
  }
  return { sha256: sha256.digest('hex'), gitSha1: sha1.digest('hex') };
}

/** Of the size and the seed alone. */
export function madeUpDigests({ size, seed }: GeneratedFile): Digests {
  return digestsOf(bufferContent(Buffer.from(`${size}\n${seed}`)));
}

function bufferContent(bytes: Buffer): Content {
  // A copy, so that a test that changes its buffer later does not change the served file.
  const copy = Buffer.from(bytes);
  return { size: copy.length, read: (start, end) => Buffer.from(copy.subarray(start, end)) };
}

function generatedContent({ size, seed }: GeneratedFile): Content {
  const pattern = randomPattern(seed, Math.min(patternSize, Math.max(size, stampSize)));
  return {
    size,
    read(start, end) {
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(end, size) - start));
      for (let done = 0; done < bytes.length; ) {
        done += pattern.copy(bytes, done, (start + done) % pattern.length);
      }
      stampPages(bytes, start);
      return bytes;
    },
  };
}

function stampPages(bytes: Buffer, start: number): void {
  const stamp = Buffer.alloc(stampSize);
  for (let page = Math.floor(start / pageSize); page * pageSize < start + bytes.length; page += 1) {
    stamp.writeDoubleLE(page);
    const at = page * pageSize - start;
    if (at <= -stampSize) continue;
    stamp.copy(bytes, Math.max(0, at), Math.max(0, -at));
  }
}

/** xorshift32: fast, the same everywhere, and without short cycles. */
function randomPattern(seed: number, size: number): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return Buffer.from(words.buffer, 0, size);
}
