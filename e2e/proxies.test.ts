import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  generateBytes,
  makeCertificate,
  startHttpProxy,
  startProgram,
  startSocksProxy,
  startWebServer,
  type TempDir,
  tempDir,
} from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startDownload } from './support/api.ts';
import { BIN, type Daemon, startDaemon, startFleet } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';
import { startTlsFront } from './support/tls-front.ts';

// Goal: a proxy that cannot be used is named before anything starts, and one that refuses is named in the download's error. Method: the
// built hive with variables as people write them, and proxies on loopback. Failure shows as another end, or as a password that is repeated.

const SECRET = 'the-secret';
let folder: TempDir;
const closing: (() => unknown)[] = [];
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  await folder.remove();
});

const envOf = (more: Readonly<Record<string, string>>) => ({
  HOME: folder.path,
  XDG_STATE_HOME: join(folder.path, 'state'),
  RBEE_HIVE_MODELS_DIR: join(folder.path, 'models'),
  RBEE_HIVE_ALLOWED_SOURCES: 'hf,https,http',
  RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
  RBEE_HIVE_RETRY_BASE_DELAY: '10ms',
  RBEE_HIVE_PORT: '0',
  ...more,
});

describe('a hive with a proxy that cannot be used', () => {
  it.each([
    ['HTTP_PROXY', 'ftp://proxy.example:3128', /scheme/],
    ['http_proxy', 'http://', /names no host/],
    ['HTTPS_PROXY', ':3128', /names no host/],
    ['https_proxy', 'http://proxy.example:99999', /port/],
    ['HTTPS_PROXY', `http://user:${SECRET}@proxy.example:port`, /names no host/],
    ['ALL_PROXY', `socks4://user:${SECRET}@proxy.example:1`, /scheme/],
    ['all_proxy', 'http://proxy example:3128', /spaces/],
    ['HTTP_PROXY', 'http://[::1:3128', /names no host/],
    ['HTTP_PROXY', '"http://proxy.example:3128"', /names no host/],
    ['HTTPS_PROXY', 'http://proxy.example,http://other.example', /names no host/],
    ['NO_PROXY', '10.0.0.0/40', /network/],
    ['no_proxy', 'fd00::/129', /network/],
  ])('[D1] %s=%j ends with exit code 78, and starts nothing', async (name, value, problem) => {
    const env = envOf({ ...(/^no/i.test(name) ? { HTTPS_PROXY: 'proxy.example:1' } : {}), [name]: value });
    const program = await startProgram({ command: process.execPath, args: [BIN.hive], env });
    closing.push(() => program.kill());
    expect(await program.exited).toEqual({ code: 78, signal: null });
    expect(program.stderr()).toMatch(new RegExp(`${name} .*${problem.source}`));
    expect(program.stderr() + program.stdout()).not.toContain(SECRET);
    expect(program.stdout()).not.toContain('listening');
  });

  it('[D1] names every variable with a problem in one message', async () => {
    const env = envOf({ HTTP_PROXY: 'gopher://a', HTTPS_PROXY: 'http://', NO_PROXY: '1.2.3.4/99' });
    const program = await startProgram({ command: process.execPath, args: [BIN.hive], env });
    closing.push(() => program.kill());
    expect(await program.exited).toEqual({ code: 78, signal: null });
    expect(program.stderr()).toMatch(/HTTPS_PROXY[\s\S]*HTTP_PROXY[\s\S]*NO_PROXY/);
  });
});

async function startHive(more: Readonly<Record<string, string>>): Promise<Daemon> {
  const hive = await startDaemon('hive', [], envOf(more));
  closing.push(() => hive.program.kill());
  return hive;
}

async function endOf(hive: Daemon, model: string) {
  const { download_id } = await startDownload(hive.url, model);
  const reader = await readStream(`${hive.url}/v2/downloads/${download_id}/stream`);
  return { end: jsonOf((await reader.toEnd()).at(-1)), text: reader.events.map(({ data }) => data).join('\n') };
}

async function tlsFiles() {
  const { certificateFile, keyFile } = await makeCertificate(folder.path);
  return { certificateFile, cert: await readFile(certificateFile), key: await readFile(keyFile) };
}

describe('a proxy that refuses a tunnel', () => {
  it.each([
    ['http', 407, /requires a valid user and password \(status 407\)/, /set them in HTTPS_PROXY: http:/],
    ['http', 403, /refuses to connect to models\.example \(status 403\)/, /allow models\.example.*NO_PROXY/],
    ['http', 404, /refuses to connect to models\.example \(status 404\)/, /NO_PROXY/],
    ['http', 503, /refuses to connect to models\.example \(status 503\)/, /NO_PROXY/],
    ['https', 407, /requires a valid user and password \(status 407\)/, /set them in HTTPS_PROXY: https:/],
    ['https', 403, /refuses to connect to models\.example \(status 403\)/, /allow models\.example.*NO_PROXY/],
  ] as const)(
    '[A10] over %s with %i fails the download soon, and names the proxy',
    async (scheme, refuse, what, hint) => {
      const { certificateFile, cert, key } = await tlsFiles();
      const proxy = await startHttpProxy({ refuse, ...(scheme === 'https' ? { tls: { cert, key } } : {}) });
      closing.push(() => proxy.close());
      const hive = await startHive({
        HTTPS_PROXY: `${scheme}://me:${SECRET}@${proxy.address}`,
        NODE_EXTRA_CA_CERTS: certificateFile,
      });
      const { end, text } = await endOf(hive, 'https://models.example/model.gguf');
      expect(end).toMatchObject({
        code: 'SOURCE_UNAVAILABLE',
        error: expect.stringMatching(what),
        hint: expect.stringMatching(hint),
      });
      expect(end['error']).toContain(proxy.address);
      expect(text).not.toContain(SECRET);
      expect(proxy.credentials[0]).toBe(`me:${SECRET}`);
    },
  );

  it.each([407, 403])('[A10] with %i on the way to the hub fails soon, too', async (refuse) => {
    const proxy = await startHttpProxy({ refuse });
    closing.push(() => proxy.close());
    const hive = await startHive({ HTTPS_PROXY: proxy.address, HF_ENDPOINT: 'https://hub.example' });
    const { end } = await endOf(hive, 'hf:org/model::file=model.gguf');
    expect(end).toMatchObject({ code: 'SOURCE_UNAVAILABLE', error: expect.stringContaining(proxy.address) });
  });

  it('[A10] whose certificate is not trusted is named', async () => {
    const { cert, key } = await tlsFiles();
    const proxy = await startHttpProxy({ tls: { cert, key } });
    closing.push(() => proxy.close());
    const hive = await startHive({ HTTPS_PROXY: `https://${proxy.address}` });
    const { end } = await endOf(hive, 'https://models.example/model.gguf');
    expect(end).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      error: expect.stringContaining(`no secure connection to the proxy ${proxy.address}`),
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
  });
});

describe('a proxy that refuses plain http', () => {
  it.each([
    [407, 'http://models.example/model.gguf', /proxy/, /HTTP_PROXY/],
    [407, 'hf:org/model::file=model.gguf', /proxy/, /HTTP_PROXY/],
    [403, 'hf:org/model::file=model.gguf', /not by a hub/, /HTTP_PROXY/],
  ])('[A10] with %i for %s fails soon, with a hint', async (refuse, model, what, hint) => {
    const proxy = await startHttpProxy({ refuse });
    closing.push(() => proxy.close());
    const hive = await startHive({ HTTP_PROXY: proxy.address, HF_ENDPOINT: 'http://hub.example' });
    const { end } = await endOf(hive, model);
    expect(end).toMatchObject({ error: expect.stringMatching(what), hint: expect.stringMatching(hint) });
  });
});

describe('a SOCKS proxy', () => {
  it.each([
    [2, /its rules do not allow it/],
    [4, /the host is unreachable/],
    [5, /the connection was refused/],
  ])('[A10] that replies %i to a URL fails the download soon', async (reply, what) => {
    const proxy = await startSocksProxy({ reply });
    closing.push(() => proxy.close());
    const hive = await startHive({ ALL_PROXY: `socks5h://${proxy.address}` });
    const { end } = await endOf(hive, 'https://models.example/model.gguf');
    expect(end).toMatchObject({ code: 'SOURCE_UNAVAILABLE', error: expect.stringMatching(what) });
  });
});

describe('a whole download', () => {
  it.each(['http', 'https', 'socks5h', 'host:port'] as const)('[D1] comes through a proxy over %s', async (scheme) => {
    const { certificateFile, cert, key } = await tlsFiles();
    const proxy =
      scheme === 'socks5h'
        ? await startSocksProxy()
        : await startHttpProxy(scheme === 'https' ? { tls: { cert, key } } : {});
    closing.push(() => proxy.close());
    const address = scheme === 'host:port' ? proxy.address : `${scheme}://${proxy.address}`;
    const fleet = await startFleet({ hiveEnv: { ALL_PROXY: address, NODE_EXTRA_CA_CERTS: certificateFile } });
    closing.push(() => fleet.close());
    fleet.hub.addRepo({ id: 'org/model', files: { 'model.gguf': { size: 3_000_000, seed: 5 } } });
    const { end } = await endOf(fleet.hive, 'hf:org/model::file=model.gguf');
    expect((await readFile(String(end['path']))).equals(generateBytes({ size: 3_000_000, seed: 5 }))).toBe(true);
    expect(proxy.asked.length).toBeGreaterThan(0);
  });

  it.each(['http', 'https'] as const)('[D1] of a server with TLS comes through a tunnel over %s', async (scheme) => {
    const certificate = await makeCertificate(folder.path);
    const [cert, key] = await Promise.all([readFile(certificate.certificateFile), readFile(certificate.keyFile)]);
    const proxy = await startHttpProxy(scheme === 'https' ? { tls: { cert, key } } : {});
    const web = await startWebServer();
    const front = await startTlsFront(web.url, certificate);
    closing.push(
      () => proxy.close(),
      () => web.close(),
      () => front.close(),
    );
    web.put('/model.gguf', { content: { size: 3_000_000, seed: 6 } });
    const hive = await startHive({
      HTTPS_PROXY: `${scheme}://${proxy.address}`,
      NODE_EXTRA_CA_CERTS: certificate.certificateFile,
    });
    const { end } = await endOf(hive, `${front.url}/model.gguf`);
    expect((await readFile(String(end['path']))).equals(generateBytes({ size: 3_000_000, seed: 6 }))).toBe(true);
    expect(proxy.asked[0]).toBe(`CONNECT ${new URL(front.url).host}`);
  });
});
