import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, get as httpsGet } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { hiveRoutes } from '@rbee/contract';
import { createStreamHub } from '@rbee/event-stream';
import { type Authority, type Certificate, findCommand, makeAuthority, type TempDir, tempDir } from '@rbee/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  addRoute,
  addStream,
  createLogger,
  createServer,
  readSettings,
  readTls,
  SettingsError,
  tlsProblems,
  tlsSettings,
} from '../../src/index.ts';
import { REQUEST_TIMEOUTS } from '../../src/server/request-limits.ts';

const isMissing = findCommand('openssl') === null && process.env['CI'] !== 'true';
const TOKEN = 'a-token-of-sixteen-characters';

let folder: TempDir;
let authority: Authority;
let own: Certificate;
beforeAll(async () => {
  folder = await tempDir();
  if (isMissing) return;
  authority = await makeAuthority(folder.path);
  own = await authority.issue('own');
});
afterAll(() => folder.remove());

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function write(name: string, content: string): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, content);
  return path;
}

describe('the settings of TLS', () => {
  const read = (argv: string[]) =>
    readSettings(tlsSettings('RBEE_HIVE_'), { argv, env: {}, prefix: 'RBEE_HIVE_' }, tlsProblems);
  const problemsOf = (argv: string[]): readonly string[] => {
    try {
      read(argv);
      return [];
    } catch (error) {
      if (error instanceof SettingsError) return error.problems;
      throw error;
    }
  };

  it('are neither file by default: plain HTTP', () => {
    expect(read([])).toEqual({ kind: 'run', settings: { tlsCert: null, tlsKey: null } });
    expect(readTls({ tlsCert: null, tlsKey: null })).toBeNull();
  });

  it.each([
    ['--tls-cert', '--tls-key is not set'],
    ['--tls-key', '--tls-cert is not set'],
  ])('are both or neither: %s alone', (flag, said) => {
    expect(problemsOf([flag, '/etc/rbee/x.pem'])).toEqual([expect.stringContaining(said)]);
  });

  it('are absolute paths', () => {
    expect(problemsOf(['--tls-cert', 'x.pem', '--tls-key', 'y.pem'])).toHaveLength(2);
  });

  it('are told of what is wrong with both files at once', async () => {
    const missing = join(folder.path, 'nowhere.pem');
    const text = await write('text.pem', 'no PEM');
    expect(problemsOf(['--tls-cert', missing, '--tls-key', folder.path])).toEqual([
      expect.stringMatching(/^--tls-cert: cannot read .*nowhere\.pem \(ENOENT\)$/),
      expect.stringMatching(/^--tls-key: cannot read .* \(EISDIR\)$/),
    ]);
    expect(problemsOf(['--tls-cert', text, '--tls-key', text])).toEqual([
      expect.stringMatching(/^--tls-cert: .*text\.pem contains no PEM certificate$/),
      expect.stringMatching(/^--tls-key: .*text\.pem contains no PEM private key/),
    ]);
  });

  it.skipIf(isMissing)('are files that belong together', async () => {
    const other = await authority.issue('other');
    const { certificateFile, keyFile } = own;
    expect(problemsOf(['--tls-cert', certificateFile, '--tls-key', keyFile])).toEqual([]);
    expect(problemsOf(['--tls-cert', certificateFile, '--tls-key', other.keyFile])).toEqual([
      expect.stringMatching(/the key in .*other-key\.pem does not match the certificate in .*own-certificate\.pem/),
    ]);
    expect(problemsOf(['--tls-cert', keyFile, '--tls-key', certificateFile])).toHaveLength(2);
    const chain = await write(
      'chain.pem',
      (await readFile(certificateFile, 'utf8')) + (await readFile(authority.certificateFile, 'utf8')),
    );
    expect(problemsOf(['--tls-cert', chain, '--tls-key', keyFile])).toEqual([]);
  });

  it.skipIf(isMissing)('are no certificate whose chain was cut in its middle', async () => {
    const { certificateFile, keyFile } = own;
    const whole = await readFile(certificateFile, 'utf8');
    const cut = await write('cut.pem', whole + whole.slice(0, whole.length / 2));
    expect(problemsOf(['--tls-cert', cut, '--tls-key', keyFile])).toEqual([
      expect.stringMatching(/^--tls-cert: .*cut\.pem contains something other than PEM certificates/),
    ]);
  });

  it.skipIf(isMissing)('are a key without a passphrase', async () => {
    const locked = join(folder.path, 'locked-key.pem');
    const openssl = findCommand('openssl') ?? '';
    await promisify(execFile)(openssl, [
      'pkey',
      '-in',
      own.keyFile,
      '-aes256',
      '-passout',
      'pass:secret',
      '-out',
      locked,
    ]);
    await chmod(locked, 0o600);
    expect(problemsOf(['--tls-cert', own.certificateFile, '--tls-key', locked])).toEqual([
      expect.stringMatching(/with a passphrase/),
    ]);
  });
});

/** One request; its text comes when the answer has ended. */
async function ask(url: string, agent: Agent, headers: Record<string, string> = {}) {
  const sent = httpsGet(url, { agent, headers });
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const read = async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  return { statusCode: answer.statusCode, headers: answer.headers, text: read() };
}

async function serve(apiToken: string | null = null, timeouts = REQUEST_TIMEOUTS) {
  const hub = createStreamHub();
  const logger = createLogger({ name: 'test', level: 'silent' });
  const tls = readTls({ tlsCert: own.certificateFile, tlsKey: own.keyFile });
  const access = { apiToken };
  const app = await createServer({ logger, hub, access, tls, title: 'test', version: '1.2.3', timeouts });
  addRoute(app, hiveRoutes.health, () => ({ status: 'ok' as const }));
  const channel = hub.channel({ mode: 'state', epoch: 'e' });
  addStream(app, hub, hiveRoutes.heartbeats, () => channel);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  closing.push(() => app.close());
  const ca = await readFile(authority.certificateFile, 'utf8');
  const agent = new Agent({ ca, keepAlive: true });
  closing.push(() => agent.destroy());
  const get = (path: string, headers: Record<string, string> = {}) => ask(url + path, agent, headers);
  return { app, hub, channel, url, ca, get, port: Number(new URL(url).port) };
}

describe.skipIf(isMissing)('a daemon with a certificate', () => {
  it('answers over TLS at an address that says so, to who trusts its authority', async () => {
    const { url, get } = await serve(TOKEN);
    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const answer = await get('/health');
    expect(await answer.text).toBe('{"status":"ok"}');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect((await get('/openapi.json')).statusCode).toBe(401);
    expect((await get('/openapi.json', { authorization: `Bearer ${TOKEN}` })).statusCode).toBe(200);
    await expect(ask(`${url}/health`, new Agent())).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:UNABLE_TO_|SELF_SIGNED_)/),
    });
  });

  it('accepts pages of its own https origin, and refuses the same origin over http', async () => {
    const { url, get } = await serve();
    expect((await get('/health', { origin: url })).statusCode).toBe(200);
    expect((await get('/health', { origin: url.replace('https:', 'http:') })).statusCode).toBe(403);
  });

  it('closes connections with plain HTTP or noise, and still serves the others', async () => {
    const { get, port } = await serve();
    for (const sent of ['GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', '\u0000\u0001\u0002'.repeat(1_000)]) {
      const socket = connect(port, '127.0.0.1');
      const received: Buffer[] = [];
      socket.on('data', (chunk) => received.push(chunk));
      socket.on('error', () => {});
      socket.write(sent);
      await once(socket, 'close');
      expect(Buffer.concat(received).toString('latin1')).not.toMatch(/HTTP|ok/);
    }
    expect((await get('/health')).statusCode).toBe(200);
  });

  it('is not held up when it closes by who never comes to an end with the handshake', async () => {
    const { app, port } = await serve(null, { ...REQUEST_TIMEOUTS, closeMs: 50 });
    const connected = once(app.server, 'connection');
    const silent = connect(port, '127.0.0.1');
    silent.on('error', () => {});
    const closed = once(silent, 'close');
    await connected;
    await app.close();
    await closed;
  });

  it('lets go of who never comes to an end with the handshake', async () => {
    const { port } = await serve(null, { ...REQUEST_TIMEOUTS, handshakeMs: 100 });
    const silent = connect(port, '127.0.0.1');
    silent.on('error', () => {});
    await once(silent, 'close');
  });

  it('speaks no TLS older than 1.2', async () => {
    const { port, ca } = await serve();
    const old = connectTls({
      port,
      host: '127.0.0.1',
      ca,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
    });
    await expect(once(old, 'secureConnect')).rejects.toThrow();
    const recent = connectTls({ port, host: '127.0.0.1', ca });
    await once(recent, 'secureConnect');
    expect(recent.getProtocol()).toBe('TLSv1.3');
    recent.destroy();
  });

  it('ends its streams and its idle connections when it closes, after what it has to say', async () => {
    const { app, hub, channel, get } = await serve();
    expect((await get('/health')).statusCode).toBe(200);
    const { text } = await get('/v1/heartbeats/stream');
    await expect.poll(() => hub.readers).toBe(1);
    for (let count = 1; count <= 20; count += 1) channel.publish({ event: 'heartbeat', data: `${count}` }, 'state');
    await app.close();
    expect((await text).match(/^data: .*$/gm)).toEqual(Array.from({ length: 20 }, (_, index) => `data: ${index + 1}`));
    expect(hub.readers).toBe(0);
  });
});
