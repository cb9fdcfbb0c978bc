import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Line } from '../../src/line/delayed-pipe.ts';
import { type SlowProxy, startProxy } from '../../src/line/proxy.ts';

const direct: Line = { delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY };
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

/** A server and the proxy in front of it; `accepted` is the server's side of the first connection. */
async function start(line: Line, onConnection: (socket: Socket) => void = () => {}) {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  const accepted = once(server, 'connection').then(([socket]) => socket as Socket);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: SlowProxy = await startProxy({ targetPort: (server.address() as AddressInfo).port, line });
  const client = connect({ host: '127.0.0.1', port: proxy.port, allowHalfOpen: true });
  client.on('error', () => {});
  closers.push(async () => {
    client.destroy();
    await proxy.close();
    (await accepted).destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  await once(client, 'connect');
  return { client, proxy, accepted };
}

/** Resolves when the socket is closed, with or without an error. */
const closing = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));
const sha256Of = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

describe('bytes', () => {
  test('arrive unchanged and in order in both directions, however they were cut', async () => {
    const content = randomBytes(5_000_003);
    // Echoes everything once it has arrived.
    const { client } = await start({ delayMs: 5, bytesPerSecond: 200_000_000 }, (socket) => {
      void buffer(socket).then((all) => socket.end(all));
    });
    const answer = buffer(client);
    for (let start = 0; start < content.length; start += 77_777) client.write(content.subarray(start, start + 77_777));
    client.end();
    expect(sha256Of(await answer)).toBe(sha256Of(content));
  });
});

describe('line', () => {
  test('a response takes at least one delay in each direction', async () => {
    const { client } = await start({ ...direct, delayMs: 30 }, (socket) => socket.pipe(socket));
    const startedMs = performance.now();
    client.write('ping');
    const [answer] = await once(client, 'data');
    expect(String(answer)).toBe('ping');
    // Timers may fire a fraction of a millisecond early.
    expect(performance.now() - startedMs).toBeGreaterThan(2 * 30 - 2);
  });

  test('a client that does not read holds up the server, and little is buffered for it', async () => {
    const total = 256 * 1024 * 1024;
    let sent = 0;
    let lastLeft = -1;
    let sameSeen = 0;
    const { client, accepted } = await start(direct, (socket) => {
      const chunk = Buffer.alloc(1024 * 1024);
      const send = (): void => {
        do sent += chunk.length;
        while (sent < total && socket.write(chunk));
      };
      socket.on('drain', send);
      send();
    });
    client.pause();
    const socket = await accepted;
    const left = (): number => socket.bytesWritten - socket.writableLength;
    // No event says that nothing more happens: the same count, this many times in a row, does.
    await vi.waitFor(
      () => {
        sameSeen = left() === lastLeft ? sameSeen + 1 : 0;
        lastLeft = left();
        expect(sameSeen).toBeGreaterThan(20);
      },
      { timeout: 60_000, interval: 10 },
    );
    expect(sent).toBeLessThan(total / 2);
  });
});

describe('closing', () => {
  test('the end of one direction leaves the other open', async () => {
    const { client, accepted } = await start({ ...direct, delayMs: 5 });
    const question = accepted.then((socket) => buffer(socket));
    client.end('question');
    expect(String(await question)).toBe('question');
    (await accepted).end('answer');
    expect(String(await buffer(client))).toBe('answer');
  });

  test('a reset by the server reaches the client', async () => {
    const { client, accepted } = await start(direct);
    const error = once(client, 'error');
    client.resume();
    (await accepted).resetAndDestroy();
    expect(await error).toMatchObject([{ code: 'ECONNRESET' }]);
  });

  test('a client that goes away in the middle takes its connection to the server with it', async () => {
    const { client, accepted } = await start(direct, (socket) => {
      const chunk = Buffer.alloc(1024 * 1024);
      socket.on('drain', () => socket.write(chunk));
      socket.write(chunk);
    });
    const socket = await accepted;
    socket.resume();
    const closed = closing(socket);
    await once(client, 'data');
    client.destroy();
    await closed;
    expect(socket.destroyed).toBe(true);
  });

  test('a server that is not there is a closed connection', async () => {
    const nobody = createServer().listen(0, '127.0.0.1');
    await once(nobody, 'listening');
    const { port } = nobody.address() as AddressInfo;
    nobody.close();
    await once(nobody, 'close');
    const proxy = await startProxy({ targetPort: port, line: direct });
    closers.push(() => proxy.close());
    const client = connect({ host: '127.0.0.1', port: proxy.port });
    client.on('error', () => {});
    client.resume();
    await closing(client);
    expect(client.bytesRead).toBe(0);
  });

  test('a proxy that is closed ends what goes through it', async () => {
    const { client, proxy, accepted } = await start(direct);
    client.resume();
    const socket = (await accepted).resume();
    const bothEnds = Promise.all([once(client, 'end'), once(socket, 'end')]);
    await proxy.close();
    await expect(bothEnds).resolves.toHaveLength(2);
  });
});
