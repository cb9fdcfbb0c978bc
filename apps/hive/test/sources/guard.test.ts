import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Dispatcher, request } from 'undici';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createSourceDispatcher, isPublic } from '../../src/sources/guard.ts';

let server: Server | null = null;
const dispatchers: Dispatcher[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const dispatcher of dispatchers.splice(0)) await dispatcher.destroy();
  server?.close();
  server = null;
});

async function serve(): Promise<number> {
  server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function guarded(options: { exemptOrigins?: Set<string>; allowPrivate?: boolean } = {}): Dispatcher {
  const dispatcher = createSourceDispatcher({
    exemptOrigins: new Set(['https://hub.example']),
    allowPrivate: false,
    ...options,
  });
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
    '::7f00:1',
    '::127.0.0.1',
    '2002:7f00:1::',
    '2001:0:4136:e378::1',
    'fec0::1',
    '2001:db8::1',
    '192.0.2.1',
    '203.0.113.9',
  ])('%s is not public', (address) => expect(isPublic(address)).toBe(false));

  it.each(['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:1.1.1.1'])('%s is', (address) => {
    expect(isPublic(address)).toBe(true);
  });
});

describe('a request to a source', () => {
  it.each(['127.0.0.1', 'localhost', 'a.localhost', '2130706433', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]'])(
    'does not reach %s',
    async (host) => {
      const port = await serve();
      const asked = request(`http://${host}:${port}/`, { dispatcher: guarded() });
      await expect(asked).rejects.toMatchObject({
        code: 'SOURCE_NOT_ALLOWED',
        hint: expect.stringMatching(/ALLOW_PRIVATE/),
      });
    },
  );

  it('reaches the hub itself wherever it is, by its origin and nothing less', async () => {
    const port = await serve();
    const dispatcher = guarded({ exemptOrigins: new Set([`http://127.0.0.1:${port}`]) });
    expect((await request(`http://127.0.0.1:${port}/`, { dispatcher })).statusCode).toBe(200);
    const other = guarded({ exemptOrigins: new Set(['http://127.0.0.1:1']) });
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

describe('behind a proxy', () => {
  it('an address that is not public is refused before the proxy is asked, the exempt one and names are not', async () => {
    const asked: string[] = [];
    const proxy = createServer((incoming, response) => {
      asked.push(incoming.url ?? '');
      response.end('ok');
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    server = proxy;
    vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
    vi.stubEnv('http_proxy', undefined);
    vi.stubEnv('NO_PROXY', '');
    const dispatcher = guarded({ exemptOrigins: new Set(['http://127.0.0.1:1']) });
    await expect(request('http://169.254.169.254/latest', { dispatcher })).rejects.toMatchObject({
      code: 'SOURCE_NOT_ALLOWED',
    });
    expect((await request('http://127.0.0.1:1/own', { dispatcher })).statusCode).toBe(200);
    expect((await request('http://models.example/x', { dispatcher })).statusCode).toBe(200);
    expect(asked).toEqual(['http://127.0.0.1:1/own', 'http://models.example/x']);
  });
});
