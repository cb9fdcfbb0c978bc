import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HIVE_CHECKS, hiveDoctorSchema } from '@rbee/contract';
import { findCommand, freePort, makeCertificate, startHub, type TempDir, type TestHub, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SAMPLE } from '../../src/doctor/download-sample.ts';
import { type DoctorOptions, openDoctor, startProxy, type TestDoctor, type TestProxy, TOKEN } from './support.ts';

const run = promisify(execFile);
const SAMPLE_FILE = { [SAMPLE.path]: { size: 6_000_000, seed: 5 } };

let hub: TestHub;
let folder: TempDir;
const doctors: TestDoctor[] = [];
beforeEach(async () => {
  for (const name of ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']) {
    vi.stubEnv(name, undefined);
  }
  hub = await startHub({ tokens: { [TOKEN]: { user: 'somebody', repos: [] } } });
  hub.addRepo({ id: SAMPLE.repo, files: SAMPLE_FILE });
  folder = await tempDir();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const doctor of doctors.splice(0)) await doctor.close();
  await hub.close();
  await folder.remove();
});

async function open(options: Partial<DoctorOptions> = {}): Promise<TestDoctor> {
  const doctor = await openDoctor({ endpoint: hub.url, ...options });
  doctors.push(doctor);
  return doctor;
}

const found = async (options: Partial<DoctorOptions> = {}) => (await open(options)).found();

describe('a hive that examines itself', () => {
  it('finds nothing wrong with a working hub, and reads only a few megabytes from it', async () => {
    const doctor = await open({ token: TOKEN });
    const checks = await doctor.found();
    expect(Object.keys(checks)).toEqual([...HIVE_CHECKS]);
    expect(checks).toMatchObject({
      dns: { status: 'skipped', message: '127.0.0.1 is an IP address: there is no name to resolve' },
      proxy: { status: 'ok', message: 'no proxy is set: the hive connects directly' },
      tls: { status: 'skipped' },
      clock: { status: 'ok' },
      token: { status: 'ok', message: expect.stringMatching(/ accepts the token of somebody$/) },
      hub: { status: 'ok' },
      range: { status: 'ok', message: expect.stringContaining(new URL(hub.cdnUrl).host) },
      speed: { message: expect.stringMatching(/B\/s over one connection \(4\.0 MB from /) },
      disk_speed: { message: expect.stringMatching(/^writes .*B\/s \(16\.8 MB, synced\)$/) },
      store: { status: 'ok', message: expect.stringContaining('is writable and has 0 models') },
    });
    const [read] = hub.requests.filter(({ server }) => server === 'cdn');
    expect(read?.range).toBe('bytes=1000000-4999999');
  });

  it('leaves nothing behind in the store', async () => {
    const doctor = await open();
    await doctor.found();
    const { modelsDir } = doctor.store.layout;
    expect(await readdir(modelsDir, { recursive: true })).toEqual(['.locks']);
    expect(await doctor.store.list()).toEqual({ models: [], partials: [], problems: [] });
  });

  it('shares one run between concurrent requests, and starts another for the next', async () => {
    const doctor = await open();
    const [first, second] = await Promise.all([doctor.examine(), doctor.examine()]);
    expect(second).toBe(first);
    const asked = () => hub.requests.filter(({ url }) => url.includes('whoami')).length;
    expect(asked()).toBe(1);
    await doctor.examine();
    expect(asked()).toBe(2);
  });

  it('responds as the contract says', async () => {
    const report = await (await open()).examine();
    expect(hiveDoctorSchema.parse(report)).toEqual(report);
  });

  it('stops right away when the hive stops', async () => {
    hub.fault({ kind: 'no_headers', server: 'hub', path: 'whoami' });
    const doctor = await open();
    const report = doctor.examine();
    await hub.waitFor(() => hub.requests.length === 1, 'the question');
    doctor.stop();
    await expect(report).rejects.toMatchObject({ code: 'HIVE_UNAVAILABLE' });
  });

  it('sends no request to the hub with HF_HUB_OFFLINE', async () => {
    const checks = await found({ isOffline: true });
    for (const name of HIVE_CHECKS.slice(0, 8)) expect(checks[name]?.status).toBe('skipped');
    expect(checks['store']?.status).toBe('ok');
    expect(hub.requests).toEqual([]);
  });
});

describe('what a hive finds on the route to its hub', () => {
  it('a name that cannot be resolved', async () => {
    expect(await found({ endpoint: 'https://hub.invalid' })).toMatchObject({
      dns: {
        status: 'failed',
        message: expect.stringContaining('hub.invalid'),
        hint: expect.stringContaining('resolv'),
      },
      tls: { status: 'skipped', message: expect.stringContaining('see dns') },
      clock: { status: 'skipped' },
      token: { status: 'skipped' },
      hub: { status: 'failed', hint: 'see dns' },
      range: { status: 'skipped' },
      speed: { status: 'skipped' },
    });
  });

  it('a hub that does not listen', async () => {
    expect(await found({ endpoint: `http://127.0.0.1:${await freePort()}` })).toMatchObject({
      hub: {
        status: 'failed',
        message: expect.stringContaining('ECONNREFUSED'),
        hint: expect.stringContaining('network'),
      },
      range: { status: 'skipped', message: expect.stringContaining('was not reached') },
    });
  });

  it('[A11] a token that the hub rejects, on a route that works', async () => {
    expect(await found({ token: `${TOKEN}-old` })).toMatchObject({
      token: { status: 'failed', hint: expect.stringContaining(`${hub.url}/settings/tokens`) },
      hub: { status: 'ok' },
      range: { status: 'ok' },
    });
  });

  it('that there is no token, which is not a failure', async () => {
    expect((await found())['token']).toMatchObject({ status: 'skipped', hint: expect.stringContaining('HF_TOKEN') });
  });

  it('[C2] a hub that ignores ranges, of which it reads no more either', async () => {
    hub.fault({ kind: 'ignore_range', server: 'cdn' });
    hub.throttle(8_000_000);
    expect((await found())['range']).toMatchObject({
      status: 'warning',
      message: expect.stringContaining('sends the whole file'),
      hint: expect.stringContaining('Range'),
    });
    await hub.waitFor(() => hub.requests.some(({ server, aborted }) => server === 'cdn' && aborted), 'the body cut');
  });

  it('[C2] a range that was not requested', async () => {
    hub.fault({ kind: 'wrong_content_range', server: 'cdn' });
    expect((await found())['range']?.status).toBe('failed');
  });

  it('a CDN that refuses', async () => {
    hub.fault({ kind: 'status', server: 'cdn', status: 503 });
    expect(await found()).toMatchObject({
      hub: { status: 'ok' },
      range: { status: 'failed', message: expect.stringContaining('503') },
      speed: { status: 'skipped' },
    });
  });

  it.each([
    [-3 * 3_600_000, 'failed', /^the clock is 3h ?0?m?.* ahead of that of /],
    [2 * 86_400_000, 'failed', /behind/],
    [-5 * 60_000, 'warning', /ahead/],
  ])('a clock that is %i ms off', async (offMs, status, message) => {
    const date = new Date(Date.now() + offMs).toUTCString();
    hub.fault({ kind: 'status', server: 'hub', path: 'whoami', status: 200, headers: { date }, body: '{}' });
    expect((await found())['clock']).toMatchObject({
      status,
      message: expect.stringMatching(message),
      hint: expect.stringContaining('NTP'),
    });
  });

  it('a hub that is not available', async () => {
    hub.fault({ kind: 'status', server: 'hub', path: 'whoami', status: 503 });
    expect((await found())['hub']).toMatchObject({ status: 'failed', message: expect.stringContaining('503') });
  });

  it('[A6] something that is not a hub, and a mirror with files but no users', async () => {
    hub.fault({ kind: 'status', server: 'hub', path: 'whoami', status: 404, times: 2 });
    expect((await found())['hub']).toMatchObject({
      status: 'ok',
      message: expect.stringContaining('as a mirror does'),
    });
    hub.fault({ kind: 'status', server: 'hub', path: SAMPLE.repo, status: 404, times: 2 });
    expect(await found()).toMatchObject({
      hub: { status: 'warning', hint: 'check HF_ENDPOINT' },
      range: { status: 'skipped', message: expect.stringContaining(SAMPLE.repo) },
    });
  });
});

describe('[D1] what a hive finds about its proxy', () => {
  let proxy: TestProxy;
  afterEach(() => proxy.close());

  it('one that requires a valid password', async () => {
    proxy = await startProxy(407);
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    expect(await found({ endpoint: 'https://hub.example' })).toMatchObject({
      proxy: {
        status: 'failed',
        message: expect.stringContaining('407'),
        hint: expect.stringContaining('user:password'),
      },
      tls: { status: 'skipped', message: expect.stringContaining('see proxy') },
      hub: { status: 'failed', hint: 'see proxy' },
    });
  });

  it('one that refuses to connect', async () => {
    proxy = await startProxy(403);
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    const checks = await found({ endpoint: 'https://hub.example' });
    expect(checks['proxy']).toMatchObject({
      status: 'failed',
      message: expect.stringMatching(/refuses to connect to hub\.example \(status 403\)$/),
    });
    expect(proxy.asked).toContain('hub.example:443');
  });

  it('one that does not listen', async () => {
    proxy = await startProxy(200);
    vi.stubEnv('HTTPS_PROXY', `http://127.0.0.1:${await freePort()}`);
    expect((await found({ endpoint: 'https://hub.example' }))['proxy']).toMatchObject({
      status: 'failed',
      message: expect.stringMatching(/^cannot reach the proxy 127\.0\.0\.1:\d+ \(ECONNREFUSED\)$/),
      hint: expect.stringContaining('HTTPS_PROXY'),
    });
  });

  it.each(['https://hub.example', 'http://hub.example'])(
    'that it says nothing, of %s, also while the hive stops',
    async (endpoint) => {
      proxy = await startProxy(200);
      const silent = createTcpServer(() => reached.resolve()).listen(0, '127.0.0.1');
      const reached = Promise.withResolvers<void>();
      await once(silent, 'listening');
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      vi.stubEnv('HTTPS_PROXY', url);
      vi.stubEnv('HTTP_PROXY', url);
      const doctor = await open({ endpoint });
      const report = doctor.examine();
      await reached.promise;
      doctor.stop();
      await expect(report).rejects.toMatchObject({ code: 'HIVE_UNAVAILABLE' });
      silent.close();
    },
  );

  it('that NO_PROXY excludes the hub', async () => {
    proxy = await startProxy(403);
    vi.stubEnv('HTTP_PROXY', proxy.url);
    vi.stubEnv('NO_PROXY', '127.0.0.1');
    expect(await found()).toMatchObject({
      proxy: { status: 'ok', message: expect.stringContaining('NO_PROXY excludes') },
      hub: { status: 'ok' },
    });
  });
});

describe.skipIf(findCommand('openssl') === null)('[D2] what a hive finds of the certificates', () => {
  it.each(['directly', 'over a proxy'])('a chain that it does not trust, %s', async (way) => {
    const { certificateFile, keyFile } = await makeCertificate(folder.path);
    const server = createServer({ cert: readFileSync(certificateFile), key: readFileSync(keyFile) }, (_, response) =>
      response.end(),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = await startProxy(200);
    try {
      if (way !== 'directly') vi.stubEnv('HTTPS_PROXY', proxy.url);
      const checks = await found({ endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}` });
      expect(checks).toMatchObject({
        tls: {
          status: 'failed',
          message: expect.stringMatching(
            /signed by 127\.0\.0\.1, which this machine does not trust \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/,
          ),
          hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
        },
        hub: { status: 'failed', hint: 'see tls' },
      });
      expect(proxy.asked.length > 0).toBe(way !== 'directly');
    } finally {
      server.close();
      server.closeAllConnections();
      await proxy.close();
    }
  });

  it('that the server does not speak TLS', async () => {
    const checks = await found({ endpoint: hub.url.replace('http:', 'https:') });
    expect(checks['tls']).toMatchObject({ status: 'failed', message: expect.stringContaining('no secure connection') });
  });
});

// Only root can mount a disk of its own.
describe.skipIf(process.getuid?.() !== 0)('[E2] what a hive finds about its disk', () => {
  let mount: string;
  beforeEach(async () => {
    mount = join(folder.path, 'small');
    await mkdir(mount);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', mount]);
  });
  afterEach(() => run('umount', ['--lazy', mount]));

  it('that it is full', async () => {
    const doctor = await open({ modelsDir: mount });
    await writeFile(join(mount, 'much'), Buffer.alloc(9 * 1024 * 1024)).catch(() => {});
    expect(await doctor.found()).toMatchObject({
      disk_space: {
        status: 'failed',
        message: expect.stringContaining('0 B free'),
        hint: expect.stringContaining('model prune'),
      },
      store: { status: 'failed', message: expect.stringContaining('is full') },
      disk_speed: { status: 'skipped' },
      hub: { status: 'ok' },
    });
    expect((await readdir(mount)).sort()).toEqual(['.locks', 'much']);
  });

  it('that the store is not writable', async () => {
    const doctor = await open({ modelsDir: mount });
    await run('mount', ['-o', 'remount,ro', mount]);
    expect(await doctor.found()).toMatchObject({
      store: { status: 'failed', message: expect.stringContaining('EROFS'), hint: expect.stringContaining('mount') },
      disk_speed: { status: 'skipped', message: expect.stringContaining('see store') },
    });
  });
});
