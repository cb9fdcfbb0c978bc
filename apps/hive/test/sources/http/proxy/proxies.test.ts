import { describe, expect, it } from 'vitest';
import { readProxies } from '../../../../src/sources/http/proxy/proxies.ts';

const HTTPS = new URL('https://hub.example');
const HTTP = new URL('http://hub.example');

function read(env: Readonly<Record<string, string>>) {
  const problems: string[] = [];
  return { proxies: readProxies(env, (problem) => problems.push(problem)), problems };
}

function proxyFrom(value: string) {
  const { proxies, problems } = read({ HTTPS_PROXY: value });
  expect(problems).toEqual([]);
  return proxies.of(HTTPS);
}

describe('a proxy in the environment', () => {
  const user = (name: string, password: string) => ({ user: name, password });

  it.each([
    ['proxy.example:3128', ['http:', 'proxy.example', 3128, null]],
    ['proxy.example', ['http:', 'proxy.example', 80, null]],
    ['PROXY:8080', ['http:', 'PROXY', 8080, null]],
    ['10.0.0.1:8080', ['http:', '10.0.0.1', 8080, null]],
    ['http://proxy.example:3128/', ['http:', 'proxy.example', 3128, null]],
    ['http://proxy.example:3128/path?x#y', ['http:', 'proxy.example', 3128, null]],
    ['HTTP://proxy.example:', ['http:', 'proxy.example', 80, null]],
    ['https://proxy.example', ['https:', 'proxy.example', 443, null]],
    [' http://proxy.example:1 ', ['http:', 'proxy.example', 1, null]],
    ['http://[::1]:3128', ['http:', '::1', 3128, null]],
    ['[fd00::1]:3128', ['http:', 'fd00::1', 3128, null]],
    ['http://user:pa%ss@proxy.example:1', ['http:', 'proxy.example', 1, user('user', 'pa%ss')]],
    ['http://user:100%@proxy.example:1', ['http:', 'proxy.example', 1, user('user', '100%')]],
    ['http://user:pa%25ss@proxy.example:1', ['http:', 'proxy.example', 1, user('user', 'pa%ss')]],
    ['http://user:p@ss@proxy.example:1', ['http:', 'proxy.example', 1, user('user', 'p@ss')]],
    ['http://user:p#/?ss@proxy.example:1', ['http:', 'proxy.example', 1, user('user', 'p#/?ss')]],
    ['http://user:a:b@proxy.example:1', ['http:', 'proxy.example', 1, user('user', 'a:b')]],
    ['http://corp%5Cuser:x@proxy.example:1', ['http:', 'proxy.example', 1, user('corp\\user', 'x')]],
    ['http://corp\\user:x@proxy.example:1', ['http:', 'proxy.example', 1, user('corp\\user', 'x')]],
    ['user:x@proxy.example:1', ['http:', 'proxy.example', 1, user('user', 'x')]],
    ['user@proxy.example:1', ['http:', 'proxy.example', 1, user('user', '')]],
    ['http://:@proxy.example:1', ['http:', 'proxy.example', 1, null]],
    ['http://user:%C3%BC@proxy.example:1', ['http:', 'proxy.example', 1, user('user', 'ü')]],
    ['socks5://proxy.example', ['socks5:', 'proxy.example', 1080, null]],
    ['socks5h://user:x@127.0.0.1:9050', ['socks5h:', '127.0.0.1', 9050, user('user', 'x')]],
    ['socks://127.0.0.1:1080/', ['socks5h:', '127.0.0.1', 1080, null]],
  ] as const)('[D1] %j is read as curl reads it', (value, [protocol, hostname, port, credentials]) => {
    expect(proxyFrom(value)).toEqual({ protocol, hostname, port, credentials, variable: 'HTTPS_PROXY' });
  });

  it.each([
    ['ftp://proxy.example:1', /scheme/],
    ['socks4://proxy.example:1', /scheme/],
    ['constructor://proxy.example:1', /scheme/],
    ['http://', /names no host/],
    [':3128', /names no host/],
    ['http://proxy.example:0', /port/],
    ['http://proxy.example:65536', /port/],
    ['http://proxy.example:port', /names no host/],
    ['http://[::1:3128', /names no host/],
    ['http://[proxy]:3128', /names no host/],
    ['http://[fe80::1%eth0]:3128', /names no host/],
    ['http://proxy example:3128', /spaces/],
    ['http://proxy.example,other.example:1', /names no host/],
    [`socks5://user:${'x'.repeat(256)}@proxy.example`, /255 bytes/],
  ])('[D1] %j cannot be used: the problem names the variable and not the value', (value, problem) => {
    const { problems, proxies } = read({ HTTPS_PROXY: value, ALL_PROXY: '' });
    expect(problems).toEqual([expect.stringMatching(/^HTTPS_PROXY /)]);
    expect(problems[0]).toMatch(problem);
    expect(problems[0]).not.toContain('example:1');
    expect(proxies.of(HTTPS)).toBeNull();
  });

  it('[D1] a problem does not repeat a password', () => {
    const { problems } = read({ ALL_PROXY: 'gopher://user:the-secret@proxy.example' });
    expect(problems[0]).toMatch(/^ALL_PROXY /);
    expect(problems.join()).not.toContain('the-secret');
  });

  it.each([
    [{ ALL_PROXY: 'a:1' }, 'a', 'a'],
    [{ all_proxy: 'a:1', ALL_PROXY: 'b:1' }, 'a', 'a'],
    [{ ALL_PROXY: 'a:1', HTTPS_PROXY: 'b:1' }, 'b', 'a'],
    [{ ALL_PROXY: 'a:1', http_proxy: 'b:1' }, 'a', 'b'],
    [{ HTTPS_PROXY: 'a:1', https_proxy: 'b:1' }, 'b', undefined],
    [{ HTTPS_PROXY: 'a:1', https_proxy: '' }, 'a', undefined],
    [{ HTTP_PROXY: 'a:1' }, 'a', 'a'],
    [{ HTTPS_PROXY: '', HTTP_PROXY: ' ', ALL_PROXY: '' }, undefined, undefined],
  ] as const)('[D1] of %j is %s for https and %s for http', (env, forHttps, forHttp) => {
    const { proxies, problems } = read(env);
    expect(problems).toEqual([]);
    expect(proxies.of(HTTPS)?.hostname).toBe(forHttps);
    expect(proxies.of(HTTP)?.hostname).toBe(forHttp);
  });
});

describe('NO_PROXY', () => {
  it.each([
    ['10.0.0.0/8', 'https://10.1.2.3', true],
    ['10.0.0.0/8', 'https://11.1.2.3', false],
    ['192.168.1.0/24, 10.0.0.0/8', 'http://10.1.2.3:8080/', true],
    ['10.1.2.3/8', 'https://10.9.9.9', true],
    ['0.0.0.0/0', 'https://1.2.3.4', true],
    ['0.0.0.0/0', 'https://hub.example', false],
    ['10.0.0.0/8', 'https://10.example', false],
    ['fd00::/8', 'https://[fd12::1]', true],
    ['[fd00::]/8', 'https://[fd12::1]', true],
    ['fd00::/8', 'https://[fe80::1]', false],
    ['::1', 'https://[0:0:0:0:0:0:0:1]', true],
    ['[::1]', 'https://[::1]', true],
    ['[::1]:8443', 'https://[::1]:8443', true],
    ['[::1]:8443', 'https://[::1]', false],
    ['127.0.0.1:8080', 'http://127.0.0.1:8080', true],
    ['127.0.0.1:8080', 'http://127.0.0.1', false],
    ['2.3.4', 'https://1.2.3.4', false],
    ['example', 'https://hub.example', true],
    ['.example', 'https://hub.example', true],
    ['.hub.example', 'https://hub.example', true],
    ['hub.example', 'https://a.b.hub.example', true],
    ['ub.example', 'https://hub.example', false],
    ['*.hub.example', 'https://hub.example', false],
    ['*.hub.example', 'https://a.hub.example', true],
    ['HUB.Example.', 'https://hub.example.', true],
    ['hub.example:443', 'https://hub.example', true],
    ['hub.example:80', 'https://hub.example', false],
    ['*', 'https://hub.example', true],
    ['other,*', 'https://[::1]', true],
    ['*:443', 'http://hub.example', false],
    ['http://hub.example/', 'https://hub.example', false],
    ['', 'https://hub.example', false],
    [' , ,', 'https://hub.example', false],
  ])('[D1] %j excludes %s: %s', (list, url, isExcluded) => {
    for (const name of ['NO_PROXY', 'no_proxy']) {
      const { proxies, problems } = read({ ALL_PROXY: 'proxy:1', [name]: list });
      expect(problems).toEqual([]);
      expect(proxies.isExcluded(new URL(url))).toBe(isExcluded);
      expect(proxies.of(new URL(url)) === null).toBe(isExcluded);
    }
  });

  it.each(['10.0.0.0/33', '10.0.0.0/x', '10.0.0.0/', 'fd00::/129', 'ok.example,10.0.0.0/-1'])(
    '[D1] %j has an invalid network: the problem names the variable',
    (list) => {
      const { problems } = read({ ALL_PROXY: 'proxy:1', NO_PROXY: list });
      expect(problems).toEqual([expect.stringMatching(/^NO_PROXY has a network /)]);
    },
  );
});
