import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { rawHead } from '../../src/http/raw-head.ts';
import { createReadPool, type ReadPoolOptions } from '../../src/http/read-pool.ts';

const MiB = 2 ** 20;

/** A server that answers each request with the bytes given, and an agent whose sockets read into a pool. */
async function setUp(send: (socket: Socket) => void, options?: ReadPoolOptions) {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (request) => {
      if (request.includes('\r\n\r\n')) send(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pool = createReadPool(options);
  const agent = new Agent({ connect: pool.buildConnector({ allowH2: false }) });
  onTestFinished(async () => {
    await agent.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return {
    pool,
    get: (onChunk: Consumer, onHead: OnHead = () => {}) => consume(agent, `http://127.0.0.1:${port}`, onChunk, onHead),
  };
}

/** False: stands still until it calls `resume`. */
type Consumer = (chunk: Buffer, resume: () => void) => boolean;
type OnHead = (controller: Dispatcher.DispatchController) => void;

function consume(agent: Agent, origin: string, onChunk: Consumer, onHead: OnHead): Promise<void> {
  return new Promise((resolve, reject) => {
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: () => {},
      onResponseStart: onHead,
      onResponseData: (controller, chunk) => {
        if (!onChunk(chunk as Buffer, () => controller.resume())) controller.pause();
      },
      onResponseEnd: () => resolve(),
      onResponseError: (_, error) => reject(error),
    };
    agent.dispatch({ origin, path: '/', method: 'GET' }, handler);
  });
}

const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');
const head = (length: number) => `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`;

test('bytes pass unchanged, and released memory is reused', async () => {
  const content = randomBytes(32 * MiB);
  const { pool, get } = await setUp((socket) =>
    socket.write(Buffer.concat([Buffer.from(head(content.length)), content])),
  );
  const hash = createHash('sha256');
  const memories = new Set<ArrayBufferLike>();
  await get((chunk) => {
    hash.update(chunk);
    memories.add(chunk.buffer);
    pool.release(chunk);
    return true;
  });
  expect(hash.digest('hex')).toBe(sha256(content));
  expect(memories.size).toBeLessThan(16);
});

test('the memory of many responses is reused if their heads are released', async () => {
  const content = randomBytes(MiB + 12_345);
  const { pool, get } = await setUp((socket) =>
    socket.write(Buffer.concat([Buffer.from(head(content.length)), content])),
  );
  const memories = new Set<ArrayBufferLike>();
  for (let answer = 0; answer < 64; answer += 1) {
    const hash = createHash('sha256');
    await get(
      (chunk) => {
        hash.update(chunk);
        memories.add(chunk.buffer);
        pool.release(chunk);
        return true;
      },
      (controller) => {
        const bytes = rawHead(controller);
        if (bytes !== null) pool.release(bytes);
      },
    );
    expect(hash.digest('hex')).toBe(sha256(content));
  }
  expect(memories.size).toBeLessThan(16);
});

test('memory that is still needed is never overwritten, however long it is kept', async () => {
  const content = randomBytes(16 * MiB);
  const { pool, get } = await setUp((socket) =>
    socket.write(Buffer.concat([Buffer.from(head(content.length)), content])),
  );
  const kept: Buffer[] = [];
  let count = 0;
  const given: Buffer[] = [];
  await get((chunk) => {
    count += 1;
    // Every second chunk is copied and given back at once, the others stay until the end.
    if (count % 2 === 0) {
      kept.push(Buffer.from(chunk));
      pool.release(chunk);
    } else {
      kept.push(chunk);
      given.push(chunk);
    }
    return true;
  });
  expect(sha256(Buffer.concat(kept))).toBe(sha256(content));
  for (const chunk of given) pool.release(chunk);
});

test('a reader that pauses between chunks gets every byte in order', async () => {
  const content = randomBytes(8 * MiB);
  const { pool, get } = await setUp((socket) =>
    socket.write(Buffer.concat([Buffer.from(head(content.length)), content])),
  );
  const hash = createHash('sha256');
  await get((chunk, resume) => {
    hash.update(chunk);
    pool.release(chunk);
    setImmediate(resume);
    return false;
  });
  expect(hash.digest('hex')).toBe(sha256(content));
});

test('the end of a connection does not overtake the bytes before it', async () => {
  const content = randomBytes(3 * MiB);
  const { get } = await setUp((socket) =>
    socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n'), content])),
  );
  const chunks: Buffer[] = [];
  await get((chunk) => {
    chunks.push(chunk);
    return true;
  });
  expect(sha256(Buffer.concat(chunks))).toBe(sha256(content));
});

test('a chunk from elsewhere is ignored', () => {
  expect(() => createReadPool().release(Buffer.alloc(10))).not.toThrow();
});

test('the self-test passes here, once, when the first connection is opened', async () => {
  const fallbacks: Error[] = [];
  const content = randomBytes(MiB);
  const { pool, get } = await setUp(
    (socket) => socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n'), content])),
    { onFallback: (error) => void fallbacks.push(error) },
  );
  expect(pool.mode).toBe('untested');
  await get(() => true);
  expect(pool.mode).toBe('pooled');
  await get(() => true);
  expect(fallbacks).toEqual([]);
});

type OnRead = (bytes: number, buffer: Uint8Array) => boolean;
const flip: (onRead: OnRead) => OnRead = (onRead) =>
  function (this: Socket, bytes, buffer) {
    buffer[bytes - 1] = (buffer[bytes - 1] ?? 0) ^ 1;
    return onRead.call(this, bytes, buffer);
  };
const swallow: (onRead: OnRead) => OnRead = (onRead) =>
  function (this: Socket, bytes, buffer) {
    return bytes < 1_000 ? onRead.call(this, bytes, buffer) : true;
  };
const hang: (onRead: OnRead) => OnRead = () => () => false;

test.each([
  ['brings wrong bytes', flip],
  ['loses bytes', swallow],
  ['never ends', hang],
])('a runtime in which a pooled read %s is read the ordinary way, and the bytes are right', async (_what, spoil) => {
  const fallbacks: Error[] = [];
  const build: typeof buildConnector = (options) => {
    const { onread } = { ...options } as { onread?: { buffer: () => Buffer; callback: OnRead } };
    const changed = onread === undefined ? {} : { onread: { ...onread, callback: spoil(onread.callback) } };
    return buildConnector({ ...options, ...changed } as buildConnector.BuildOptions);
  };
  const content = randomBytes(3 * MiB);
  const { pool, get } = await setUp(
    (socket) => socket.write(Buffer.concat([Buffer.from(head(content.length)), content])),
    { buildConnector: build, selfTestLimitMs: 300, onFallback: (error) => void fallbacks.push(error) },
  );
  const hash = createHash('sha256');
  await get((chunk) => {
    hash.update(chunk);
    pool.release(chunk);
    return true;
  });
  expect(hash.digest('hex')).toBe(sha256(content));
  expect(pool.mode).toBe('plain');
  expect(fallbacks).toHaveLength(1);
});

test('a pool that is switched off runs no self-test and reads the ordinary way', async () => {
  const content = randomBytes(MiB);
  const sawReads: boolean[] = [];
  const { pool, get } = await setUp(
    (socket) => socket.write(Buffer.concat([Buffer.from(head(content.length)), content])),
    {
      isEnabled: false,
      buildConnector: (options) => {
        const connect = buildConnector(options);
        return (target, callback) => {
          sawReads.push('onread' in (options ?? {}));
          return connect(target, callback);
        };
      },
    },
  );
  let bytes = 0;
  await get((chunk) => {
    bytes += chunk.length;
    return true;
  });
  expect(bytes).toBe(MiB);
  expect(pool.mode).toBe('plain');
  expect(sawReads).toEqual([false]);
});
