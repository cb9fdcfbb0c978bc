import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { checkPooledReads } from './read-pool-check.ts';

/*
 * Relies on, beyond what is documented:
 * - `onread` sockets call `buffer()` right after each `callback`, with no other socket in between (Node.js).
 * - `onread` data does not reach the stream by itself, and `socket.push` by hand brings it there; the end of the stream is `push(null)` on
 *   the same instance, so a replaced `push` sees it (Node.js: the documentation only says that no data is provided).
 * - A replaced `socket.read` sees every read (undici reads by `socket.read()` on `readable`).
 * - `buildConnector` hands options that it does not know to `net.connect` and `tls.connect` (undici).
 * A change in any of these could hang, or bring wrong bytes. So the first connection waits for a self-test that reads a known response this
 * way; if it fails, sockets are read the ordinary way, which costs about a third more CPU time and nothing else.
 */

/** One write's worth, and few enough reads for a fast link. */
const slabBytes = 512 * 2 ** 10;
/** A slab with less space than this left is closed: short reads cost as much as long ones. */
const minReadBytes = 32 * 2 ** 10;
/** The most slabs that are kept for reuse. */
const maxSpareSlabs = 32;

const DEFAULT_LIMIT_MS = 3_000;

interface Slab {
  readonly buffer: Buffer;
  /** Bytes that were read into it, and how many of them were released. */
  read: number;
  released: number;
  /** A socket may still read into it. */
  isOpen: boolean;
}

/** How a socket reads into buffers of the pool: options of `net.connect` and `tls.connect`. */
interface PooledReads {
  readonly highWaterMark: number;
  readonly onread: {
    readonly buffer: () => Buffer;
    readonly callback: (this: Socket, bytes: number, buffer: Uint8Array) => boolean;
  };
}

/** `plain`: sockets are read the ordinary way. `untested`: no connection was needed yet. */
type ReadMode = 'untested' | 'pooled' | 'plain';

export interface ReadPoolOptions {
  /** False reads the ordinary way, without a self-test. Default true. */
  readonly isEnabled?: boolean;
  /** The self-test fails if it takes longer. Default 3 s; over loopback it takes milliseconds. */
  readonly selfTestLimitMs?: number;
  /** Called once if the self-test fails, with its reason. */
  readonly onFallback?: (error: Error) => void;
  /** Default undici's. */
  readonly buildConnector?: typeof buildConnector;
}

/**
 * Memory that sockets read into, reused once its bytes are written. A buffer per read costs more than everything else done with it: V8
 * collects garbage because of memory outside its heap, and the system clears new pages.
 */
export interface ReadPool {
  readonly mode: ReadMode;
  /** undici's `buildConnector`, for sockets that read into the pool. */
  readonly buildConnector: typeof buildConnector;
  /** The bytes of a chunk are no longer needed. Chunks from elsewhere are ignored. */
  release(chunk: Buffer): void;
}

export function createReadPool(options: ReadPoolOptions = {}): ReadPool {
  const {
    isEnabled = true,
    selfTestLimitMs = DEFAULT_LIMIT_MS,
    onFallback,
    buildConnector: build = buildConnector,
  } = options;
  const { reads, release } = createSlabs();
  let mode: ReadMode = isEnabled ? 'untested' : 'plain';
  let test: Promise<void> | null = null;
  const selfTest = async () => {
    const connect = build({ allowH2: false, ...reads } as buildConnector.BuildOptions);
    const failure = await checkPooledReads(connect, release, selfTestLimitMs);
    mode = failure === null ? 'pooled' : 'plain';
    if (failure !== null) onFallback?.(failure);
  };
  return {
    get mode() {
      return mode;
    },
    buildConnector: (socketOptions) => {
      const plain = build(socketOptions);
      const pooled = build({ ...socketOptions, ...reads } as buildConnector.BuildOptions);
      return (target, callback) => {
        const connect = () => void (mode === 'pooled' ? pooled : plain)(target, callback);
        if (mode !== 'untested') return connect();
        test ??= selfTest();
        test.then(connect, (error: Error) => callback(error, null));
      };
    },
    release,
  };
}

function createSlabs(): { readonly reads: PooledReads; readonly release: (chunk: Buffer) => void } {
  const slabs = new WeakMap<ArrayBufferLike, Slab>();
  const spare: Slab[] = [];
  const bursts = new Bursts();
  /** The rest of the slab whose socket has just called back: Node.js asks that socket's next buffer right after. */
  let next: Buffer | null = null;

  const acquire = (): Buffer => {
    const used = spare.pop();
    if (used !== undefined) {
      Object.assign(used, { read: 0, released: 0, isOpen: true });
      return used.buffer;
    }
    const buffer = Buffer.allocUnsafeSlow(slabBytes);
    slabs.set(buffer.buffer, { buffer, read: 0, released: 0, isOpen: true });
    return buffer;
  };
  return {
    reads: {
      highWaterMark: slabBytes,
      onread: {
        buffer() {
          const buffer = next ?? acquire();
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
          return bursts.add(this, buffer.subarray(0, bytes));
        },
      },
    },
    release(chunk) {
      const slab = slabs.get(chunk.buffer);
      if (slab === undefined) return;
      slab.released += chunk.length;
      // Bytes that a parser keeps for itself, such as headers, are never released: their slab is left to the garbage collector.
      if (!slab.isOpen && slab.released === slab.read && spare.length < maxSpareSlabs) spare.push(slab);
    },
  };
}

/**
 * Chunks on their way from sockets to their streams. Consecutive reads, such as the records of TLS, are adjacent in memory and become one
 * chunk; and a stream gets one chunk at a time, since it would copy several into one.
 */
class Bursts {
  readonly #queues = new WeakMap<Socket, Buffer[]>();

  /** False: the socket should stop reading for now. */
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
    // Node.js pushes the end of the stream itself: it must not overtake what is queued here.
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

/** Two adjacent chunks as one; null if they are not adjacent. */
function joinChunks(first: Buffer, second: Buffer): Buffer | null {
  const areNeighbours = first.buffer === second.buffer && first.byteOffset + first.length === second.byteOffset;
  return areNeighbours ? Buffer.from(first.buffer, first.byteOffset, first.length + second.length) : null;
}
