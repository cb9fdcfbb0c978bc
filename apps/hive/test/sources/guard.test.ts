import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Dispatcher, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { createSourceDispatcher, isPublic } from '../../src/sources/guard.ts';

let server: Server | null = null;
const dispatchers: Dispatcher[] = [];
afterEach(async () => {
  for (const dispatcher of dispatchers.splice(0)) await dispatcher.destroy();
  server?.close();
  server = null;
});

async function serve(): Promise<number> {
  server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function guarded(options: { exemptOrigin?: string; allowPrivate?: boolean } = {}): Dispatcher {
  const dispatcher = createSourceDispatcher({ exemptOrigin: 'https://hub.example', allowPrivate: false, ...options });
  dispatchers.push(dispatcher);
  return dispatcher;
}

describe('addresses', () => {
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
  ])('%s is not public', (address) => expect(isPublic(address)).toBe(false));

  it.each(['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:1.1.1.1'])('%s is', (address) => {
    expect(isPublic(address)).toBe(true);
  });
});

describe('a request to a source', () => {
  it.each(['127.0.0.1', 'localhost', '2130706433', '0x7f.1'])('does not reach %s', async (host) => {
    const port = await serve();
    const asked = request(`http://${host}:${port}/`, { dispatcher: guarded() });
    await expect(asked).rejects.toMatchObject({
      code: 'SOURCE_NOT_ALLOWED',
      hint: expect.stringMatching(/ALLOW_PRIVATE/),
    });
  });

  it('reaches the hub itself wherever it is, by its origin and nothing less', async () => {
    const port = await serve();
    const dispatcher = guarded({ exemptOrigin: `http://127.0.0.1:${port}` });
    expect((await request(`http://127.0.0.1:${port}/`, { dispatcher })).statusCode).toBe(200);
    const other = guarded({ exemptOrigin: 'http://127.0.0.1:1' });
    await expect(request(`http://127.0.0.1:${port}/`, { dispatcher: other })).rejects.toMatchObject({
      code: 'SOURCE_NOT_ALLOWED',
    });
  });

  it('reaches private addresses where the operator allows it', async () => {
    const port = await serve();
    const dispatcher = guarded({ allowPrivate: true });
    expect((await request(`http://localhost:${port}/`, { dispatcher })).statusCode).toBe(200);
  });
});
