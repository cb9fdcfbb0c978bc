import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { createStreamHub } from '@rbee/event-stream';
import { type Authority, type Certificate, findCommand, makeAuthority, type TempDir, tempDir } from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createLogger, createServer, listen, readTls, SettingsError, serveTls } from '../../src/index.ts';
import { readRenewal } from '../../src/server/served-tls.ts';

const isMissing = findCommand('openssl') === null && process.env['CI'] !== 'true';
/** Two addresses of loopback stand for 127.0.0.1 and ::1: a test machine may have no IPv6. */
const LOCALHOST = ['127.0.0.1', '127.0.0.2'];

let folder: TempDir;
let authority: Authority;
let first: Certificate;
let second: Certificate;
beforeAll(async () => {
  folder = await tempDir();
  if (isMissing) return;
  authority = await makeAuthority(folder.path);
  first = await authority.issue('first');
  second = await authority.issue('second');
});
afterAll(() => folder.remove());

/** A server with the first certificate, in its own files, which tests can overwrite. */
async function serve(host = '127.0.0.1') {
  const files = { tlsCert: join(folder.path, 'in-use.pem'), tlsKey: join(folder.path, 'in-use-key.pem') };
  const put = async ({ certificateFile, keyFile }: Certificate) => {
    await copyFile(certificateFile, files.tlsCert);
    await copyFile(keyFile, files.tlsKey);
  };
  await put(first);
  const logger = createLogger({ name: 'test', level: 'silent' });
  const tls = readTls(files);
  const access = { apiToken: null };
  const app = await createServer({ logger, hub: createStreamHub(), access, tls, title: 't', version: '1' });
  const url = await listen(app, { host, port: 0 }, async () => LOCALHOST);
  onTestFinished(() => app.close());
  const served = serveTls(app, tls);
  if (served === null) throw new Error('it speaks TLS');
  return { files, put, served, port: Number(new URL(url).port) };
}

/** The certificate that a new connection is shown. */
async function shown(port: number, host = '127.0.0.1'): Promise<string | undefined> {
  const socket = connect({ port, host, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerX509Certificate() ?? {};
  socket.destroy();
  return fingerprint256;
}

const fingerprintOf = async ({ certificateFile }: Certificate) =>
  new X509Certificate(await readFile(certificateFile)).fingerprint256;

describe.skipIf(isMissing)('the certificate of a server that listens', () => {
  it('is renewed for new connections, and only where its files have another content', async () => {
    const { files, put, served, port } = await serve();
    expect(readRenewal(served, files)).toBeNull();
    await put(second);
    const renewal = readRenewal(served, files);
    expect(renewal?.shown).toEqual({
      tls_cert: files.tlsCert,
      tls_key: files.tlsKey,
      validUntil: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    expect(await shown(port)).toBe(await fingerprintOf(first));
    renewal?.use();
    expect(await shown(port)).toBe(await fingerprintOf(second));
    expect(readRenewal(served, files)).toBeNull();
  });

  it('is used as it was read, whatever has become of the files by then', async () => {
    const { files, put, served, port } = await serve();
    await put(second);
    const renewal = readRenewal(served, files);
    await writeFile(files.tlsKey, 'gone bad');
    renewal?.use();
    expect(await shown(port)).toBe(await fingerprintOf(second));
  });

  it('stays where the new files cannot be used, which are named', async () => {
    const { files, put, served, port } = await serve();
    await copyFile(second.certificateFile, files.tlsCert);
    expect(() => readRenewal(served, files)).toThrow(SettingsError);
    expect(() => readRenewal(served, files)).toThrow(files.tlsKey);
    expect(await shown(port)).toBe(await fingerprintOf(first));
    await put(second);
    expect(readRenewal(served, files)).not.toBeNull();
  });

  it('stays where none is set any more', async () => {
    const { served } = await serve();
    expect(readRenewal(served, { tlsCert: null, tlsKey: null })).toBeNull();
  });

  it('is renewed at each address of localhost', async () => {
    const { files, put, served, port } = await serve('localhost');
    await put(second);
    readRenewal(served, files)?.use();
    for (const address of LOCALHOST) expect(await shown(port, address)).toBe(await fingerprintOf(second));
  });
});

describe('a server without TLS', () => {
  it('has nothing to renew', async () => {
    const logger = createLogger({ name: 'test', level: 'silent' });
    const access = { apiToken: null };
    const app = await createServer({ logger, hub: createStreamHub(), access, title: 't', version: '1' });
    onTestFinished(() => app.close());
    expect(serveTls(app, null)).toBeNull();
  });
});
