import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Agent } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { discard, type HttpClient, requestOnce } from '../../../src/sources/http/request.ts';

/** A server that answers each request with the same bytes, and counts the connections that it is asked over. */
async function setUp(answer: string) {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => {}).on('data', () => socket.write(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const dispatcher = new Agent();
  onTestFinished(async () => {
    await dispatcher.destroy();
    server.close();
  });
  const client: HttpClient = { dispatcher, headersTimeoutMs: 5_000, userAgent: 'test/1' };
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/model`);
  return {
    connections: () => connections,
    async askThrice(): Promise<number[]> {
      const statuses: number[] = [];
      for (let each = 0; each < 3; each += 1) {
        const reply = await requestOnce(client, { method: 'HEAD', url, signal: AbortSignal.timeout(10_000) });
        discard(reply);
        statuses.push(reply.status);
      }
      return statuses;
    },
  };
}

test('requests share one connection', async () => {
  const { askThrice, connections } = await setUp('HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n');
  expect(await askThrice()).toEqual([200, 200, 200]);
  expect(connections()).toBe(1);
});

test('a server that sends a body after a HEAD is still understood', async () => {
  const { askThrice } = await setUp('HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ncontent');
  expect(await askThrice()).toEqual([200, 200, 200]);
});
