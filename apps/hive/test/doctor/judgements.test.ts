import { systemClock } from '@rbee/contract';
import { Agent, EnvHttpProxyAgent, request } from 'undici';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { judgeDiskSpace } from '../../src/doctor/check-disk.ts';
import { judgeTls, type SeenCertificate } from '../../src/doctor/check-tls.ts';
import { judgeSpeed } from '../../src/doctor/download-sample.ts';
import { judgeClock } from '../../src/doctor/judge-hub.ts';
import { routeTo } from '../../src/doctor/proxy-route.ts';
import { runCheck } from '../../src/doctor/run-check.ts';
import { hostOf } from '../../src/sources/http/proxy/host-and-port.ts';
import { readProxies } from '../../src/sources/http/proxy/proxies.ts';
import { originOfProxy } from '../../src/sources/http/proxy/proxy.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const DAY_MS = 86_400_000;
const GiB = 1024 ** 3;

describe('a certificate', () => {
  const seen: SeenCertificate = {
    problem: null,
    issuer: 'An Authority',
    validUntilMs: NOW + 60 * DAY_MS,
    protocol: 'TLSv1.3',
  };

  it.each<[Partial<SeenCertificate>, string, RegExp]>([
    [{}, 'ok', /^TLSv1\.3, signed by An Authority, valid until 2026-04-30$/],
    [{ validUntilMs: NOW + 3 * DAY_MS }, 'warning', /expires on 2026-03-04/],
    [{ problem: 'CERT_HAS_EXPIRED', validUntilMs: NOW - DAY_MS }, 'failed', /expired on 2026-02-28 by the clock/],
    [{ problem: 'CERT_NOT_YET_VALID' }, 'failed', /not valid yet by the clock/],
    [{ problem: 'ERR_TLS_CERT_ALTNAME_INVALID' }, 'failed', /is for another name/],
    [{ problem: 'SELF_SIGNED_CERT_IN_CHAIN' }, 'failed', /signed by An Authority, which this machine does not trust/],
    [{ validUntilMs: Number.NaN, problem: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }, 'failed', /does not trust/],
  ])('%o is %s', (changes, status, message) => {
    const verdict = judgeTls('hub.example', { ...seen, ...changes }, NOW);
    expect(verdict.status).toBe(status);
    expect(verdict.message).toMatch(message);
    expect(verdict.hint === undefined).toBe(status === 'ok');
  });
});

describe('a clock', () => {
  const answer = (headers: Record<string, string>) => ({
    status: 200,
    headers,
    user: null,
    sentAtMs: NOW - 200,
    receivedAtMs: NOW + 200,
  });
  const at = (ms: number) => new Date(ms).toUTCString();

  it('that agrees is fine, with a cache in between too', () => {
    expect(judgeClock('hub', answer({ date: at(NOW) })).status).toBe('ok');
    expect(judgeClock('hub', answer({ date: at(NOW - 3 * DAY_MS), age: String(3 * 86_400) })).status).toBe('ok');
  });

  it('cannot be judged without a valid date', () => {
    expect(judgeClock('hub', answer({})).status).toBe('skipped');
    expect(judgeClock('hub', answer({ date: 'now' })).status).toBe('skipped');
  });

  it('is a warning at minutes and a failure beyond', () => {
    expect(judgeClock('hub', answer({ date: at(NOW - 120_000) })).status).toBe('warning');
    expect(judgeClock('hub', answer({ date: at(NOW + 16 * 60_000) })).status).toBe('failed');
  });
});

describe('[E5] a disk', () => {
  it.each([
    [500 * GiB, null, 'ok'],
    [5 * GiB, 1_000, 'warning'],
    [GiB / 2, null, 'failed'],
    [500 * GiB, 0, 'failed'],
    [null, null, 'ok'],
    [null, 0, 'failed'],
  ])('with %o bytes and %o files to spare is %s', (freeBytes, freeFiles, status) => {
    expect(judgeDiskSpace('/models', { freeBytes, freeFiles }).status).toBe(status);
  });
});

describe('a speed', () => {
  const sample = { host: 'cdn', status: 206, contentRange: null, bytes: 4_000_000, readMs: 1_000 };

  it('that is slow is a warning, and one of a few bytes says nothing', () => {
    expect(judgeSpeed(sample, 'hub')).toMatchObject({ status: 'ok', message: expect.stringContaining('4.0 MB/s') });
    expect(judgeSpeed({ ...sample, bytes: 500_000 }, 'hub').status).toBe('warning');
    expect(judgeSpeed({ ...sample, bytes: 500, readMs: 5_000 }, 'hub').status).toBe('warning');
    expect(judgeSpeed({ ...sample, bytes: 500, readMs: 2 }, 'hub').status).toBe('skipped');
    expect(judgeSpeed(null, 'hub').status).toBe('skipped');
  });
});

describe('a check', () => {
  const options = { clock: systemClock, limitMs: 20, signal: new AbortController().signal };

  it('that takes too long and ignores its signal is reported as such', async () => {
    const bugs: unknown[] = [];
    const found = await runCheck(
      'dns',
      { ...options, onBug: (error) => bugs.push(error) },
      () => new Promise(() => {}),
    );
    expect(found).toMatchObject({
      check: 'dns',
      status: 'failed',
      message: expect.stringMatching(/^no response within /),
      hint: expect.stringContaining('resolvers'),
    });
    expect(bugs).toEqual([]);
  });

  it('that throws a bug is reported without its text, which may hold anything', async () => {
    const bugs: unknown[] = [];
    const found = await runCheck('dns', { ...options, limitMs: 60_000, onBug: (error) => bugs.push(error) }, () => {
      throw new Error('the secret');
    });
    expect(found.status).toBe('failed');
    expect(JSON.stringify(found)).not.toContain('secret');
    expect(bugs).toHaveLength(1);
  });
});

describe('the route to the hub', () => {
  afterEach(() => vi.unstubAllEnvs());

  const PROXY = 'http://proxy.example:3128';
  const HUBS = [
    'https://hub.example',
    'https://a.hub.example',
    'http://hub.example:8080',
    'https://[::1]',
    'https://127.0.0.1',
  ];
  const EXCEPTIONS = [
    '',
    '*',
    'hub.example',
    '.hub.example',
    '*.hub.example',
    'example',
    'hub.example:443',
    'hub.example:8080',
  ].concat(['::1', '[::1]:443', '127.0.0.1', 'other, hub.example', 'HUB.example.', 'ub.example']);

  const proxiesOf = (env: Readonly<Record<string, string>>) =>
    readProxies(env, (problem) => expect.unreachable(problem));

  /** What undici does: it tells by which of the two it tries to connect. */
  async function asUndici(hub: string, proxies: Readonly<Record<string, string>>): Promise<string | null> {
    for (const name of ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']) {
      vi.stubEnv(name, proxies[name]);
    }
    const seen: string[] = [];
    const refuse = (target: { hostname: string }, callback: (error: Error, socket: null) => void) => {
      seen.push(target.hostname);
      callback(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), null);
    };
    const agent = new EnvHttpProxyAgent({
      connect: refuse as never,
      clientFactory: (origin) => {
        return new Agent({
          connect: (_, callback) => refuse({ hostname: new URL(origin).hostname }, callback as never),
        }) as never;
      },
    });
    await request(hub, { dispatcher: agent }).catch(() => {});
    await agent.destroy();
    return seen[0] ?? null;
  }

  it.each(HUBS.flatMap((hub) => EXCEPTIONS.map((exceptions) => [hub, exceptions] as const)))(
    'to %s with NO_PROXY=%s is the one that undici takes',
    async (hub, exceptions) => {
      const env = { HTTPS_PROXY: PROXY, NO_PROXY: exceptions };
      const taken = await asUndici(hub, env);
      const { proxy } = routeTo(new URL(hub), proxiesOf(env));
      expect(proxy?.hostname ?? hostOf(new URL(hub))).toBe(taken);
    },
  );

  it.each([
    [{ HTTP_PROXY: PROXY }, PROXY],
    [{ HTTP_PROXY: 'http://other.example', https_proxy: PROXY }, PROXY],
    [{ HTTPS_PROXY: '' }, null],
    [{}, null],
  ])('follows %o', (env: Readonly<Record<string, string>>, proxy) => {
    const route = routeTo(new URL('https://hub.example'), proxiesOf(env));
    expect(route.proxy === null ? null : originOfProxy(route.proxy)).toBe(proxy);
  });
});
