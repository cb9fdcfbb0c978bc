import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import {
  type HttpProxyOptions,
  makeCertificate,
  type SocksProxyOptions,
  startHttpProxy,
  startSocksProxy,
  tempDir,
} from '@rbee/testing';
import { errorOfConnection } from '@rbee/transfer';
import { type Dispatcher, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { createSourceDispatcher, type SourceDispatcherOptions } from '../../../../src/sources/http/dispatcher.ts';
import { readProxies } from '../../../../src/sources/http/proxy/proxies.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const serve = (host?: string) =>
  listen(
    createServer(({ headers }, response) => response.end(headers.host)),
    host,
  );

async function serveTls(): Promise<number> {
  const folder = await tempDir();
  closing.push(() => folder.remove());
  const { certificateFile, keyFile } = await makeCertificate(folder.path);
  const [cert, key] = await Promise.all([readFile(certificateFile), readFile(keyFile)]);
  return listen(createTlsServer({ cert, key }, (_, response) => response.end('ok')));
}

function through(env: Readonly<Record<string, string>>, options: Partial<SourceDispatcherOptions> = {}): Dispatcher {
  const proxies = readProxies(env, (problem) => expect.unreachable(problem));
  const dispatcher = createSourceDispatcher({ exemptOrigins: new Set(), allowPrivate: true, proxies, ...options });
  closing.push(() => dispatcher.destroy());
  return dispatcher;
}

async function textOf(url: string, dispatcher: Dispatcher): Promise<unknown> {
  try {
    return await (await request(url, { dispatcher })).body.text();
  } catch (error) {
    return errorOfConnection(error, new URL(url).host);
  }
}

const socksProxy = async (options?: SocksProxyOptions) => {
  const proxy = await startSocksProxy(options);
  closing.push(() => proxy.close());
  return proxy;
};
const httpProxy = async (options?: HttpProxyOptions) => {
  const proxy = await startHttpProxy(options);
  closing.push(() => proxy.close());
  return proxy;
};

describe('a SOCKS proxy', () => {
  it('[D1] socks5h:// resolves names itself', async () => {
    const port = await serve();
    const proxy = await socksProxy({ leadsTo: { host: '127.0.0.1', port } });
    const dispatcher = through({ ALL_PROXY: `socks5h://${proxy.address}` });
    expect(await textOf('http://models.invalid/x', dispatcher)).toBe('models.invalid');
    expect(proxy.asked).toEqual(['models.invalid:80']);
  });

  it('[D1] socks5:// gets addresses: the hive resolves names', async () => {
    const port = await serve();
    const proxy = await socksProxy();
    const dispatcher = through({ ALL_PROXY: `socks5://${proxy.address}` });
    expect(await textOf(`http://localhost:${port}/`, dispatcher)).toBe(`localhost:${port}`);
    expect(proxy.asked).toEqual([expect.stringMatching(/^(?:127\.0\.0\.1|\[::1\]):/)]);
  });

  it('[D1] socks5:// refuses a name that resolves to a private address before the proxy is asked', async () => {
    const proxy = await socksProxy();
    const lookUp = (
      _: string,
      __: object,
      callback: (error: null, found: { address: string; family: number }[]) => void,
    ) => process.nextTick(callback, null, [{ address: '10.0.0.1', family: 4 }]);
    const names = { lookUp: lookUp as never, isPublic: () => false };
    const dispatcher = through({ ALL_PROXY: `socks5://${proxy.address}` }, { allowPrivate: false, names });
    expect(await textOf('http://models.example/x', dispatcher)).toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
    expect(proxy.asked).toEqual([]);
  });

  it('[D1] that answers byte by byte and wants a password with a raw "%" is used', async () => {
    const port = await serve();
    const proxy = await socksProxy({ credentials: { user: 'me', password: 'pa%ss' }, isSlow: true });
    const dispatcher = through({ all_proxy: `socks5h://me:pa%ss@${proxy.address}` });
    expect(await textOf(`http://127.0.0.1:${port}/`, dispatcher)).toBe(`127.0.0.1:${port}`);
    expect(proxy.asked).toEqual([`127.0.0.1:${port}`]);
  });

  it('[D1] gets IPv6 addresses as such', async () => {
    const port = await serve('::1');
    const proxy = await socksProxy();
    const dispatcher = through({ ALL_PROXY: `socks5h://${proxy.address}` });
    expect(await textOf(`http://[::1]:${port}/`, dispatcher)).toBe(`[::1]:${port}`);
    expect(proxy.asked).toEqual([`[::1]:${port}`]);
  });

  it('[D1] carries TLS, whose failure is that of the server', async () => {
    const port = await serveTls();
    const proxy = await socksProxy();
    const dispatcher = through({ HTTPS_PROXY: `socks5h://${proxy.address}` });
    expect(await textOf(`https://127.0.0.1:${port}/`, dispatcher)).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(new RegExp(`^no secure connection to 127.0.0.1:${port}: .*not trusted`)),
    });
    expect(proxy.asked).toEqual([`127.0.0.1:${port}`]);
  });

  it.each<[string, SocksProxyOptions, RegExp, RegExp]>([
    ['wants a password', { credentials: { user: 'a', password: 'b' } }, /requires a user and a password/, /ALL_PROXY/],
    ['has rules', { reply: 2 }, /its rules do not allow it/, /NO_PROXY/],
    ['does not reach the host', { reply: 4 }, /the host is unreachable/, /NO_PROXY/],
    ['fails in its own way', { reply: 77 }, /reply 77/, /NO_PROXY/],
  ])('[D1] that %s is named in the error', async (_, options, message, hint) => {
    const proxy = await socksProxy(options);
    const dispatcher = through({ ALL_PROXY: `socks5h://${proxy.address}` });
    const error = await textOf('http://models.example/x', dispatcher);
    expect(error).toMatchObject({ code: 'SOURCE_UNAVAILABLE', message: expect.stringMatching(message) });
    expect(error).toMatchObject({ hint: expect.stringMatching(hint), message: expect.stringContaining(proxy.address) });
  });

  it('[D1] that refuses the password says so without it', async () => {
    const proxy = await socksProxy({ credentials: { user: 'me', password: 'right' } });
    const dispatcher = through({ ALL_PROXY: `socks5h://me:wrong@${proxy.address}` });
    const error = await textOf('http://models.example/x', dispatcher);
    expect(error).toMatchObject({ code: 'SOURCE_UNAVAILABLE', message: expect.stringMatching(/refuses the user/) });
    expect(String(error)).not.toContain('wrong');
  });

  it('[D1] that is an HTTP proxy does not speak SOCKS', async () => {
    const port = await listen(createServer());
    const dispatcher = through({ ALL_PROXY: `socks5h://127.0.0.1:${port}` });
    expect(await textOf('http://models.example/x', dispatcher)).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(/does not speak SOCKS5/),
      hint: expect.stringMatching(/ALL_PROXY/),
    });
  });

  it('[D1] that hangs up does not speak SOCKS', async () => {
    const server = createTcpServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(() => server.close());
    const dispatcher = through({ ALL_PROXY: `socks5h://127.0.0.1:${(server.address() as AddressInfo).port}` });
    expect(await textOf('http://models.example/x', dispatcher)).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(/does not speak SOCKS5/),
    });
  });
});

describe('an HTTP proxy', () => {
  it('[D1] written as host:port forwards plain http, with the host of the server', async () => {
    const port = await serve();
    const proxy = await httpProxy();
    const dispatcher = through({ HTTP_PROXY: proxy.address });
    expect(await textOf(`http://localhost:${port}/a?b=c`, dispatcher)).toBe(`localhost:${port}`);
    expect(proxy.asked).toEqual([`http://localhost:${port}/a?b=c`]);
    expect(proxy.credentials).toEqual([null]);
  });

  it('[D1] gets the user and a password with a raw "%", for tunnels and for plain http', async () => {
    const [port, tlsPort] = await Promise.all([serve(), serveTls()]);
    const proxy = await httpProxy();
    const dispatcher = through({ ALL_PROXY: `me:pa%ss@${proxy.address}` });
    await textOf(`http://127.0.0.1:${port}/`, dispatcher);
    await textOf(`https://127.0.0.1:${tlsPort}/`, dispatcher);
    expect(proxy.asked).toEqual([`http://127.0.0.1:${port}/`, `CONNECT 127.0.0.1:${tlsPort}`]);
    expect(proxy.credentials).toEqual(['me:pa%ss', 'me:pa%ss']);
  });

  it('[D1] carries TLS, whose failure is that of the server', async () => {
    const port = await serveTls();
    const proxy = await httpProxy();
    const dispatcher = through({ HTTPS_PROXY: proxy.address });
    expect(await textOf(`https://127.0.0.1:${port}/`, dispatcher)).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(/^no secure connection to 127\.0\.0\.1:\d+: .*not trusted/),
    });
  });

  it.each([
    [407, /requires a valid user and password/, /HTTPS_PROXY/],
    [403, /refuses to connect to models\.example/, /NO_PROXY/],
    [503, /refuses to connect to models\.example/, /operator/],
  ])('[D1] that answers %i to a tunnel is named in the error', async (refuse, message, hint) => {
    const proxy = await httpProxy({ refuse });
    const dispatcher = through({ HTTPS_PROXY: proxy.address });
    expect(await textOf('https://models.example/x', dispatcher)).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });

  it('[D1] that does not listen is named in the error', async () => {
    const dispatcher = through({ HTTPS_PROXY: '127.0.0.1:1' });
    expect(await textOf('https://models.example/x', dispatcher)).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: 'cannot reach the proxy 127.0.0.1:1 (ECONNREFUSED)',
    });
  });

  it('[D1] is not asked for a network in NO_PROXY', async () => {
    const port = await serve();
    const proxy = await httpProxy();
    const dispatcher = through({ ALL_PROXY: proxy.address, NO_PROXY: '127.0.0.0/8' });
    expect(await textOf(`http://127.0.0.1:${port}/`, dispatcher)).toBe(`127.0.0.1:${port}`);
    expect(proxy.asked).toEqual([]);
  });
});
