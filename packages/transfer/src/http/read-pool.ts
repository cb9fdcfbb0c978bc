import type { Socket } from 'node:net';

/** One write's worth, and few enough reads for a fast link. */
const slabBytes = 512 * 2 ** 10;
/** A slab with less room than this left is not read into any more: short reads cost as much as long ones. */
const minReadBytes = 32 * 2 ** 10;
/** What waits to be used again, at most. */
const maxSpareSlabs = 32;

interface Slab {
  readonly buffer: Buffer;
  /** Bytes that were read into it, and those of them that nobody needs any more. */
  read: number;
  released: number;
  /** A socket may still read into it. */
  isOpen: boolean;
}

/** How a socket is told to read into buffers of ours: what `net.connect` and `tls.connect` take. */
interface PooledReads {
  readonly highWaterMark: number;
  readonly onread: {
    readonly buffer: () => Buffer;
    readonly callback: (this: Socket, bytes: number, buffer: Uint8Array) => boolean;
  };
}

/**
 * Memory that sockets read into and that is used again once its bytes are written. A buffer made for each read costs more than
 * all else that is done with it: V8 collects garbage for the memory outside of its heap, and the system clears new pages.
 */
export interface ReadPool {
  /** For the connector of a dispatcher. */
  readonly reads: PooledReads;
  /** The bytes of a chunk are not needed any more. Chunks of other origin are let pass. */
  release(chunk: Buffer): void;
}

export function createReadPool(): ReadPool {
  const slabs = new WeakMap<ArrayBufferLike, Slab>();
  const spare: Slab[] = [];
  const burst = new Bursts();
  /** Where the socket whose callback has just run goes on: asked for right after it. */
  let next: Buffer | null = null;

  const take = (): Buffer => {
    const used = spare.pop();
    if (used !== undefined) {
      Object.assign(used, { read: 0, released: 0, isOpen: true });
      return used.buffer;
    }
    const buffer = Buffer.allocUnsafeSlow(slabBytes);
    slabs.set(buffer.buffer, { buffer, read: 0, released: 0, isOpen: true });
    return buffer;
  };
  const reuse = (slab: Slab) => {
    // What a parser took for itself, as headers are, is never released: such a slab is left to the garbage collector.
    if (!slab.isOpen && slab.released === slab.read && spare.length < maxSpareSlabs) spare.push(slab);
  };
  return {
    reads: {
      highWaterMark: slabBytes,
      onread: {
        buffer() {
          const buffer = next ?? take();
          next = null;
          return buffer;
        },
        callback(bytes, view) {
          const buffer = view as Buffer;
          const slab = slabs.get(buffer.buffer);
          if (slab !== undefined) {
            slab.read += bytes;
            if (buffer.length - bytes >= minReadBytes) next = buffer.subarray(bytes);
            else slab.isOpen = false;
          }
          return burst.add(this, buffer.subarray(0, bytes));
        },
      },
    },
    release(chunk) {
      const slab = slabs.get(chunk.buffer);
      if (slab === undefined) return;
      slab.released += chunk.length;
      reuse(slab);
    },
  };
}

/**
 * What sockets have read and their streams have not taken. Reads that come one right after another, as the records of TLS do,
 * lie side by side in memory and become one chunk; and a stream gets one chunk at a time, for it copies several into one.
 */
class Bursts {
  readonly #queues = new WeakMap<Socket, Buffer[]>();

  /** False: the socket should read no more for now. */
  add(socket: Socket, chunk: Buffer): boolean {
    const queue = this.#queues.get(socket) ?? this.#adopt(socket);
    const last = queue.at(-1);
    const joined = last === undefined ? null : joinChunks(last, chunk);
    if (joined !== null) queue[queue.length - 1] = joined;
    else {
      queue.push(chunk);
      process.nextTick(feed, socket, queue);
    }
    const waiting = queue.reduce((bytes, { length }) => bytes + length, socket.readableLength);
    return waiting < socket.readableHighWaterMark;
  }

  #adopt(socket: Socket): Buffer[] {
    const queue: Buffer[] = [];
    this.#queues.set(socket, queue);
    const push = socket.push.bind(socket);
    // The end of the stream, which Node.js pushes by itself, must not overtake what waits here.
    socket.push = (chunk, encoding) => {
      if (chunk === null) for (const waiting of queue.splice(0)) push(waiting);
      return push(chunk, encoding);
    };
    const read = socket.read.bind(socket);
    socket.read = (size) => {
      const chunk = read(size);
      if (queue.length > 0) process.nextTick(feed, socket, queue);
      return chunk;
    };
    return queue;
  }
}

function feed(socket: Socket, queue: Buffer[]): void {
  if (socket.readableLength > 0) return;
  const chunk = queue.shift();
  if (chunk !== undefined) socket.push(chunk);
}

/** Two chunks as one where they lie side by side; else null. */
function joinChunks(first: Buffer, second: Buffer): Buffer | null {
  const areNeighbours = first.buffer === second.buffer && first.byteOffset + first.length === second.byteOffset;
  return areNeighbours ? Buffer.from(first.buffer, first.byteOffset, first.length + second.length) : null;
}
