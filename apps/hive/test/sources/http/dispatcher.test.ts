import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type LookupFunction, type Socket } from 'node:net';
import { errorOfConnection } from '@rbee/transfer';
import { type Dispatcher, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { createSourceDispatcher, type SourceDispatcherOptions } from '../../../src/sources/http/dispatcher.ts';
import { type LookUpAll, publicOnly } from '../../../src/sources/http/look-up.ts';
import { readProxies } from '../../../src/sources/http/proxy/proxies.ts';
import { isPublic } from '../../../src/sources/http/public-address.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function serve(host = '127.0.0.1'): Promise<{ server: Server; port: number; sockets: () => number }> {
  let sockets = 0;
  const server = createServer((_, response) => response.end('ok')).listen(0, host);
  server.on('connection', () => {
    sockets += 1;
  });
  await once(server, 'listening');
  closing.push(() => server.close());
  return { server, port: (server.address() as AddressInfo).port, sockets: () => sockets };
}

function guarded(options: Partial<SourceDispatcherOptions> = {}): Dispatcher {
  const dispatcher = createSourceDispatcher({
    exemptOrigins: new Set(['https://hub.example']),
    allowPrivate: false,
    ...options,
  });
  closing.push(() => dispatcher.destroy());
  return dispatcher;
}

/**
 * Names that stand for these addresses, one list after the other, and then for the last. 127.0.0.1 plays the one public address,
 * since a test reaches no other; 127.0.0.2 and all the rest are what they are.
 */
function names(...answers: (readonly string[])[]) {
  let asked = 0;
  const lookUp: LookUpAll = (_hostname, _options, callback) => {
    const addresses = answers[Math.min(asked, answers.length - 1)] ?? [];
    asked += 1;
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    process.nextTick(callback, null, found);
  };
  return {
    names: { lookUp, isPublic: (address: string) => address === '127.0.0.1' || isPublic(address) },
    asked: () => asked,
  };
}

/** What a request is refused with, as a source tells it. */
async function refusalOf(url: string, dispatcher: Dispatcher): Promise<unknown> {
  return request(url, { dispatcher }).then(
    ({ statusCode }) => `answered with ${statusCode}`,
    (error: unknown) => errorOfConnection(error, new URL(url).host),
  );
}

const REFUSED = { code: 'SOURCE_NOT_ALLOWED', hint: expect.stringMatching(/RBEE_HIVE_ALLOW_PRIVATE_SOURCES/) };

describe('an address of a private network in a URL', () => {
  it.each([
    '127.0.0.1',
    'localhost',
    'a.localhost',
    'localhost.',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '127.0.0.1.',
    '0',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
  ])('is not reached as %s', async (host) => {
    const { port, sockets } = await serve();
    expect(await refusalOf(`http://${host}:${port}/`, guarded())).toMatchObject(REFUSED);
    expect(sockets()).toBe(0);
  });

  it('is reached only with the exact origin of the hub', async () => {
    const { port } = await serve();
    const dispatcher = guarded({ exemptOrigins: new Set([`http://127.0.0.1:${port}`]) });
    expect((await request(`http://127.0.0.1:${port}/`, { dispatcher })).statusCode).toBe(200);
    for (const other of [`https://127.0.0.1:${port}`, 'http://127.0.0.1:1', `http://localhost:${port}`]) {
      const elsewhere = guarded({ exemptOrigins: new Set([other]) });
      expect(await refusalOf(`http://127.0.0.1:${port}/`, elsewhere), other).toMatchObject(REFUSED);
    }
  });

  it('is reached if the operator allows it', async () => {
    const { port } = await serve();
    const dispatcher = guarded({ allowPrivate: true });
    expect((await request(`http://localhost:${port}/`, { dispatcher })).statusCode).toBe(200);
  });
});

describe('a name that resolves to a private network', () => {
  it.each([
    ['loopback', ['127.0.0.2']],
    ['the metadata of a cloud', ['169.254.169.254']],
    ['a mapped address', ['::ffff:7f00:2']],
    ['a link-local address with a zone', ['fe80::1%lo']],
    ['a public address, then a private one', ['127.0.0.1', '127.0.0.2']],
    ['a private address, then a public one', ['10.0.0.1', '127.0.0.1']],
    ['one of each family', ['127.0.0.1', '::1']],
  ])('is refused: %s', async (_, addresses) => {
    const { port, sockets } = await serve();
    const dns = names(addresses);
    expect(await refusalOf(`http://rebound.example:${port}/`, guarded({ names: dns.names }))).toMatchObject(REFUSED);
    expect(dns.asked()).toBe(1);
    expect(sockets()).toBe(0);
  });

  it('is refused over TLS too, before a byte is sent', async () => {
    const { port, sockets } = await serve();
    const dispatcher = guarded({ names: names(['127.0.0.2']).names });
    expect(await refusalOf(`https://rebound.example:${port}/`, dispatcher)).toMatchObject(REFUSED);
    expect(sockets()).toBe(0);
  });

  it('is refused even after an earlier connection to it: DNS rebinding', async () => {
    const { port, server } = await serve();
    const dns = names(['127.0.0.1'], ['127.0.0.2']);
    const dispatcher = guarded({ names: dns.names });
    const url = `http://rebound.example:${port}/`;
    const answer = await request(url, { dispatcher });
    expect(await answer.body.text()).toBe('ok');
    server.closeAllConnections();
    expect(await refusalOf(url, dispatcher)).toMatchObject(REFUSED);
    expect(dns.asked()).toBe(2);
  });

  it('is connected to at the address that was checked: it is resolved once, and rebinding comes too late', async () => {
    const { port } = await serve();
    const dns = names(['127.0.0.1'], ['127.0.0.2']);
    const answer = await request(`http://rebound.example:${port}/`, { dispatcher: guarded({ names: dns.names }) });
    expect(answer.statusCode).toBe(200);
    expect(dns.asked()).toBe(1);
  });

  it.each([
    ['tries several addresses in turn', { autoSelectFamily: true }],
    ['takes the first', { autoSelectFamily: false }],
    ['wants IPv4', { autoSelectFamily: false, family: 4 }],
  ])('is refused to a socket that %s', async (_, options) => {
    const open = async (addresses: readonly string[]): Promise<Error | Socket> => {
      const { port } = await serve();
      const lookup: LookupFunction = publicOnly(names(addresses).names);
      const socket = connect({ host: 'rebound.example', port, lookup, ...options });
      closing.push(() => socket.destroy());
      return once(socket, 'connect').then(
        () => socket,
        (error: Error) => error,
      );
    };
    expect(await open(['127.0.0.1', '127.0.0.2'])).toMatchObject(REFUSED);
    expect(await open(['127.0.0.1'])).toMatchObject({ remoteAddress: '127.0.0.1' });
  });
});

describe('behind a proxy', () => {
  it('a non-public address is refused before the proxy gets a request, unlike exempt origins and names', async () => {
    const asked: string[] = [];
    const proxy = createServer((incoming, response) => {
      asked.push(incoming.url ?? '');
      response.end('ok');
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    closing.push(() => proxy.close());
    proxy.on('connect', ({ url }, socket) => {
      asked.push(`CONNECT ${url}`);
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    });
    const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const env = { HTTP_PROXY: proxyUrl, HTTPS_PROXY: proxyUrl, NO_PROXY: 'inside.example' };
    const dispatcher = guarded({
      proxies: readProxies(env, (problem) => expect.unreachable(problem)),
      exemptOrigins: new Set(['http://127.0.0.1:1']),
      names: names(['127.0.0.2']).names,
    });
    for (const url of ['http://169.254.169.254/latest', 'https://[::ffff:a9fe:a9fe]/latest', 'https://localhost./']) {
      expect(await refusalOf(url, dispatcher), url).toMatchObject(REFUSED);
    }
    expect(await refusalOf('https://inside.example/', dispatcher), 'past the proxy').toMatchObject(REFUSED);
    expect((await request('http://127.0.0.1:1/own', { dispatcher })).statusCode).toBe(200);
    expect((await request('http://models.example/x', { dispatcher })).statusCode).toBe(200);
    await refusalOf('https://models.example/x', dispatcher);
    expect(asked).toEqual(['http://127.0.0.1:1/own', 'http://models.example/x', 'CONNECT models.example:443']);
  });
});
