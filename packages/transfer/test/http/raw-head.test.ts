import { once } from 'node:events';
import { createServer } from 'node:net';
import { Agent } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { rawHead } from '../../src/http/raw-head.ts';
import { createReadPool } from '../../src/http/read-pool.ts';

/** What is found of the head that undici has read from a server's socket. */
async function foundIn(answer: string): Promise<string | null> {
  const server = createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end(answer)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new Agent({ connect: createReadPool().buildConnector({ allowH2: false }) });
  onTestFinished(async () => {
    await agent.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return new Promise((resolve, reject) => {
    agent.dispatch(
      { origin: `http://127.0.0.1:${port}`, path: '/', method: 'GET' },
      {
        onRequestStart: () => {},
        onResponseStart: (controller) => resolve(rawHead(controller)?.toString('latin1') ?? null),
        onResponseData: () => {},
        onResponseEnd: () => {},
        onResponseError: (_, error) => reject(error),
      },
    );
  });
}

const heads = [
  'HTTP/1.1 206 Partial Content\r\ncontent-length: 4\r\ncontent-range: bytes 0-3/9\r\n\r\n',
  'HTTP/1.1 200 \r\ncontent-length: 4\r\n\r\n',
  'HTTP/1.1 200\r\nContent-Length:4\r\n\r\n',
  'HTTP/1.1 200 OK\r\ncontent-length: 4  \r\n\r\n',
  'HTTP/1.0 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 4\r\nx-empty:\r\nx: y\r\n\r\n',
];

test.each(heads)('the whole head is found: %j', async (head) => {
  expect(await foundIn(`${head}body`)).toBe(head);
});

test('nothing but the head is found, whatever it contains', async () => {
  const head = 'HTTP/1.1 200 as HTTP/1.1 says\r\ncontent-length: 4\r\n\r\n';
  const found = await foundIn(`${head}body`);
  expect(head.endsWith(found ?? 'nothing')).toBe(true);
});

test.each([
  ['a status line without end', `HTTP/1.1 200 ${'long '.repeat(40)}\r\ncontent-length: 4\r\n\r\n`],
  ['no header', 'HTTP/1.1 200 OK\r\n\r\n'],
])('nothing is found if it is ambiguous: %s', async (_what, head) => {
  expect(await foundIn(`${head}body`)).toBeNull();
});

test('headers that are not views of memory have no head', () => {
  expect(rawHead({})).toBeNull();
  expect(rawHead({ rawHeaders: [] })).toBeNull();
  expect(rawHead({ rawHeaders: { a: 'b' } })).toBeNull();
  expect(rawHead({ rawHeaders: ['a', 'b'] })).toBeNull();
  expect(rawHead({ rawHeaders: [Buffer.from('a'), Buffer.from('b')] })).toBeNull();
});
