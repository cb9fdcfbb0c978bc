import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Line } from '../../src/proxy/delayed-pipe.ts';
import { type SlowProxy, startProxy } from '../../src/proxy/proxy.ts';

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

/** Resolves when it is closed, in whatever way. */
const closing = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));
const sha256Of = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

describe('bytes', () => {
  test('arrive unchanged and in order in both directions, in whatever pieces they were sent', async () => {
    const content = randomBytes(5_000_003);
    // Answers with what came, once all of it has come.
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
  test('an answer takes at least a delay in each direction', async () => {
    const { client } = await start({ ...direct, delayMs: 30 }, (socket) => socket.pipe(socket));
    const startedMs = performance.now();
    client.write('ping');
    const [answer] = await once(client, 'data');
    expect(String(answer)).toBe('ping');
    // A timer may fire a fraction of a millisecond before its time.
    expect(performance.now() - startedMs).toBeGreaterThan(2 * 30 - 2);
  });

  test('each connection has the speed of the line to itself, and no more than it', async () => {
    const content = randomBytes(1_000_000);
    const { client, proxy } = await start({ delayMs: 0, bytesPerSecond: 5_000_000 }, (socket) => socket.end(content));
    const second = connect({ host: '127.0.0.1', port: proxy.port });
    const startedMs = performance.now();
    const answers = await Promise.all([buffer(client), buffer(second)]);
    const seconds = (performance.now() - startedMs) / 1_000;
    expect(answers.map((answer) => answer.length)).toEqual([content.length, content.length]);
    // 0.2 s each. What came while the second one was connecting is not in the time.
    expect(seconds).toBeGreaterThan(0.15);
  });

  test('a client that does not read is felt by the server, and what is held for it has a bound', async () => {
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
    // Nothing announces that nothing happens: it is what was seen the same this many times in a row.
    await vi.waitFor(
      () => {
        sameSeen = left() === lastLeft ? sameSeen + 1 : 0;
        lastLeft = left();
        expect(sameSeen).toBeGreaterThan(20);
      },
      { timeout: 15_000, interval: 10 },
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
