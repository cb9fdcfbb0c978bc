import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { errorOfConnection } from '@rbee/transfer';
import { type Dispatcher, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { createSourceDispatcher, type SourceDispatcherOptions } from '../../../src/sources/http/dispatcher.ts';
import { type LookUpAll, reachedFirst } from '../../../src/sources/http/look-up.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  closing.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

function open(options: Partial<SourceDispatcherOptions> = {}): Dispatcher {
  const dispatcher = createSourceDispatcher({ exemptOrigins: new Set(), allowPrivate: true, ...options });
  closing.push(() => dispatcher.destroy());
  return dispatcher;
}

/** A resolver that gives all these addresses for every name. */
function resolving(...addresses: readonly string[]): NonNullable<SourceDispatcherOptions['names']> {
  const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const lookUp: LookUpAll = (_hostname, _options, callback) => void process.nextTick(callback, null, found);
  return { lookUp, isPublic: () => true };
}

describe('an IPv6 address in a URL', () => {
  it.each(['[::1]', '[0:0:0:0:0:0:0:1]'])('[C7] %s is reached', async (host) => {
    const port = await listen(
      createServer(({ headers }, response) => response.end(headers.host)),
      '::1',
    );
    const { body } = await request(`http://${host}:${port}/x`, { dispatcher: open() });
    expect(await body.text()).toBe(`[::1]:${port}`);
  });

  it('[C7] that is exempt is reached, and any other is refused with a code', async () => {
    const port = await listen(
      createServer((_, response) => response.end('ok')),
      '::1',
    );
    const exempt = open({ allowPrivate: false, exemptOrigins: new Set([`http://[::1]:${port}`]) });
    expect((await request(`http://[::1]:${port}/`, { dispatcher: exempt })).statusCode).toBe(200);
    const error = await request(`http://[::1]:${port}/`, { dispatcher: open({ allowPrivate: false }) }).catch(
      (thrown: unknown) => errorOfConnection(thrown, 'host'),
    );
    expect(error).toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
  });

  it('[C7] that refuses ends with its code', async () => {
    const error = await request('http://[::1]:1/', { dispatcher: open() }).catch((thrown: unknown) =>
      errorOfConnection(thrown, '[::1]:1'),
    );
    expect(error).toMatchObject({ code: 'SOURCE_UNAVAILABLE', message: 'cannot reach [::1]:1 (ECONNREFUSED)' });
  });
});

describe('a name with several addresses', () => {
  /** TEST-NET-1: packets to it vanish, or are refused at once. */
  const BLACK_HOLE = '192.0.2.1';

  it.each([
    ['one that leads nowhere, then the server', [BLACK_HOLE, '127.0.0.1']],
    ['one without a route, then the server', ['2001:db8::1', '127.0.0.1']],
    ['one that refuses, then the server', ['127.0.0.2', '127.0.0.1']],
    ['the server, then one without a route', ['127.0.0.1', '2001:db8::1']],
  ])('[B3] %s: it is reached', { timeout: 40_000 }, async (_, addresses) => {
    const port = await listen(createServer((__, response) => response.end('ok')));
    const dispatcher = open({ names: resolving(...addresses) });
    const { body } = await request(`http://dual.example:${port}/`, { dispatcher });
    expect(await body.text()).toBe('ok');
  });

  it('[B3] a server whose handshake takes longer than 250 ms is reached, although it is not the last', async () => {
    const server = await listenWithFullQueue();
    const found = resolving('127.0.0.1', '2001:db8::1');
    const lookUp: LookUpAll = (hostname, options, callback) => {
      found.lookUp(hostname, options, (...result) => {
        callback(...result);
        // The first SYN has been dropped: the kernel sends the next one after a second.
        setImmediate(server.drain);
      });
    };
    const dispatcher = open({ names: { lookUp, isPublic: () => true } });
    const { body } = await request(`http://far.example:${server.port}/`, { dispatcher });
    expect(await body.text()).toBe('ok');
  });

  it('[B3] the address that was reached comes first the next time', async () => {
    const { lookUp, remember } = reachedFirst(resolving('192.0.2.1', '127.0.0.1').lookUp);
    const first = () => new Promise((resolve) => lookUp('a.example', {}, (_, [found]) => resolve(found?.address)));
    expect(await first()).toBe('192.0.2.1');
    remember('a.example', '127.0.0.1');
    expect(await first()).toBe('127.0.0.1');
    remember('a.example', undefined);
    remember('a.example', '10.0.0.9');
    expect(await first()).toBe('192.0.2.1');
  });
});

const SERVER = `
  const server = require('node:http').createServer((_, response) => response.end('ok'));
  server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => console.log(server.address().port));
`;

/** A server that accepts nothing until it is drained, with so many connections waiting that it takes no more. */
async function listenWithFullQueue(): Promise<{ port: number; drain: () => void }> {
  const child = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  child.kill('SIGSTOP');
  const waiting = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  closing.push(() => {
    for (const socket of waiting) socket.destroy();
    child.kill('SIGKILL');
  });
  await Promise.all(waiting.slice(0, 2).map((socket) => once(socket, 'connect')));
  return { port, drain: () => child.kill('SIGCONT') };
}
