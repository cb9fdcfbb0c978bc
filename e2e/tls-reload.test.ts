import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { type Authority, type Certificate, findCommand, makeAuthority, type TempDir, tempDir } from '@rbee/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Daemon, startDaemon } from './support/fleet.ts';
import { hangUp } from './support/hang-up.ts';

/*
 * Goal: a certificate is renewed without a restart. Method: real daemons with a settings file, certificates of a private authority
 * that take each other's place in the same files, SIGHUP, and a look at what a new connection is shown. Failure shows as an old
 * certificate, a stream that ended, or a reload of which a part counts.
 */
const isMissing = findCommand('openssl') === null && process.env['CI'] !== 'true';
const NEEDS_RESTART = ['tls_cert', 'tls_key'];

let folder: TempDir;
let authority: Authority;
let ca: Buffer;
let first: Certificate;
let second: Certificate;
let trusting: Record<string, string>;
const running: Daemon[] = [];

beforeAll(async () => {
  if (isMissing) return;
  folder = await tempDir();
  authority = await makeAuthority(folder.path);
  ca = await readFile(authority.certificateFile);
  first = await authority.issue('first');
  second = await authority.issue('second');
  trusting = { HOME: folder.path, NODE_EXTRA_CA_CERTS: authority.certificateFile };
});
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ program }) => program.kill()));
});
afterAll(async () => {
  if (!isMissing) await folder.remove();
});

interface Files {
  readonly cert: string;
  readonly key: string;
  /** Writes the pair into both files. */
  put(certificate: Certificate): Promise<void>;
  /** Writes the settings file: these lines, and the TLS settings unless they are left out. */
  configure(lines?: string, tls?: string): Promise<void>;
  /** The lines of TLS. */
  readonly tls: string;
  start(kind: 'hive' | 'queen', args?: readonly string[]): Promise<Daemon>;
}

/** A daemon's files in their own folder, with the first certificate. */
async function filesOf(name: string): Promise<Files> {
  const own = join(folder.path, name);
  await mkdir(own);
  const [cert, key, config] = ['cert.pem', 'key.pem', 'settings.toml'].map((file) => join(own, file)) as [
    string,
    string,
    string,
  ];
  const tls = `tls_cert = "${cert}"\ntls_key = "${key}"\n`;
  const files: Files = {
    cert,
    key,
    tls,
    async put({ certificateFile, keyFile }) {
      await copyFile(certificateFile, cert);
      await copyFile(keyFile, key);
    },
    configure: (lines = '', linesOfTls = tls) => writeFile(config, `${lines}\n${linesOfTls}`),
    async start(kind, args = []) {
      const models = kind === 'hive' ? ['--models-dir', join(own, 'models')] : [];
      const all = ['--config', config, '--state-dir', join(own, 'state'), ...models, ...args];
      const daemon = await startDaemon(kind, all, trusting);
      running.push(daemon);
      return daemon;
    },
  };
  await files.put(first);
  await files.configure();
  return files;
}

/** The subject name of the certificate that a new connection gets. */
async function shown({ url }: Daemon): Promise<string | undefined> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', ca });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerX509Certificate();
  socket.destroy();
  return certificate?.subject;
}

async function settingsOf({ url }: Daemon): Promise<Record<string, unknown>> {
  const [answer] = (await once(get(`${url}/v1/info`, { ca, agent: false }), 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk;
  return (JSON.parse(text) as { settings: Record<string, unknown> }).settings;
}

/** Heartbeats, read over one connection that stays open. */
async function openStream({ url }: Daemon) {
  const sent = get(`${url}/v1/heartbeats/stream`, { ca, agent: false });
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const stream = { beats: 0, hasEnded: false, leave: () => sent.destroy() };
  answer.setEncoding('utf8').on('data', (text: string) => {
    stream.beats += text.match(/^event: heartbeat$/gm)?.length ?? 0;
  });
  answer.on('error', () => {});
  answer.once('close', () => {
    stream.hasEnded = true;
  });
  return stream;
}

describe.skipIf(isMissing)('SIGHUP', () => {
  it('uses a renewed certificate for new connections, of hive and queen, while open streams continue', async () => {
    const queenFiles = await filesOf('queen');
    const hiveFiles = await filesOf('hive');
    const queen = await queenFiles.start('queen');
    const hive = await hiveFiles.start('hive', ['--queen-url', queen.url, '--id', 'gpu-1']);
    const streams = await Promise.all([openStream(queen), openStream(hive)]);
    await expect.poll(() => streams.every(({ beats }) => beats > 0), { timeout: 20_000 }).toBe(true);
    for (const [daemon, files] of [
      [queen, queenFiles],
      [hive, hiveFiles],
    ] as const) {
      expect(await shown(daemon)).toBe('CN=first');
      const same = await hangUp(daemon.program);
      expect(same['msg']).toMatch(/nothing changed/);
      expect(same).not.toHaveProperty('renewed');
      await files.put(second);
      expect(await shown(daemon)).toBe('CN=first');
      expect(await hangUp(daemon.program)).toMatchObject({
        msg: 'reloaded',
        changed: {},
        renewed: {
          tls_cert: files.cert,
          tls_key: files.key,
          validUntil: new X509Certificate(await readFile(second.certificateFile)).validToDate.toISOString(),
        },
        needsRestart: [],
      });
      expect(await shown(daemon)).toBe('CN=second');
    }
    const before = streams.map(({ beats }) => beats);
    await expect
      .poll(() => streams.every(({ beats }, index) => beats > (before[index] ?? 0) + 1), { timeout: 20_000 })
      .toBe(true);
    expect(streams.map(({ hasEnded }) => hasEnded)).toEqual([false, false]);
    for (const { leave } of streams) leave();
    expect(await hive.program.stop()).toBe(0);
    expect(await queen.program.stop()).toBe(0);
    const { keyFile } = second;
    const [, secretLine = ''] = (await readFile(keyFile, 'utf8')).split('\n');
    for (const { program } of [hive, queen]) expect(program.stdout() + program.stderr()).not.toContain(secretLine);
  });

  it.each<[what: string, spoil: (files: Files) => Promise<void>, problem: (files: Files) => string]>([
    ['is not there', ({ key }) => rm(key), ({ key }) => `--tls-key: cannot read ${key} (ENOENT)`],
    [
      'cannot be read',
      async ({ cert }) => {
        await rm(cert);
        await mkdir(cert);
      },
      ({ cert }) => `--tls-cert: cannot read ${cert} (EISDIR)`,
    ],
    [
      'does not fit the other',
      ({ cert }) => copyFile(second.certificateFile, cert),
      ({ cert, key }) => `--tls-key: the key in ${key} does not match the certificate in ${cert}`,
    ],
    [
      'has a certificate that is no PEM',
      ({ cert }) => writeFile(cert, 'words-of-the-file'),
      ({ cert }) => `--tls-cert: ${cert} contains no PEM certificate`,
    ],
    [
      'has a key that was cut',
      ({ key }) => writeFile(key, '-----BEGIN PRIVATE KEY-----\nwords-of-the-file\n'),
      ({ key }) => `--tls-key: ${key} contains no PEM private key, or one with a passphrase`,
    ],
  ])('keeps the old pair, and all other settings, where a file %s', async (what, spoil, problem) => {
    const files = await filesOf(`spoilt-${what.replaceAll(' ', '-')}`);
    const queen = await files.start('queen');
    await files.configure('max_bandwidth = "20MB/s"');
    await spoil(files);
    const refused = await hangUp(queen.program);
    expect(refused).toMatchObject({ msg: 'not reloaded, settings unchanged', problems: [problem(files)] });
    expect(queen.program.stdout()).not.toContain('words-of-the-file');
    expect(await shown(queen)).toBe('CN=first');
    expect(await settingsOf(queen)).toMatchObject({ max_bandwidth: null });

    await rm(files.cert, { recursive: true, force: true });
    await files.put(second);
    const renewed = await hangUp(queen.program);
    expect(renewed).toMatchObject({ changed: { max_bandwidth: 20_000_000 }, renewed: { tls_cert: files.cert } });
    expect(await shown(queen)).toBe('CN=second');
    expect(await settingsOf(queen)).toMatchObject({ max_bandwidth: 20_000_000 });
  });

  it('loads a certificate from other files', async () => {
    const files = await filesOf('moved');
    const queen = await files.start('queen');
    const { certificateFile, keyFile } = second;
    await files.configure('', `tls_cert = "${certificateFile}"\ntls_key = "${keyFile}"\n`);
    await rm(files.cert);
    const changed = { tls_cert: certificateFile, tls_key: keyFile };
    expect(await hangUp(queen.program)).toMatchObject({ changed, renewed: changed, needsRestart: [] });
    expect(await shown(queen)).toBe('CN=second');
    expect(await settingsOf(queen)).toMatchObject(changed);
  });

  it('needs a restart to switch TLS on or off, and applies the rest', async () => {
    const files = await filesOf('switched');
    const secure = await files.start('queen');
    await files.configure('max_bandwidth = "20MB/s"', '');
    await rm(files.key);
    const changed = { max_bandwidth: 20_000_000 };
    expect(await hangUp(secure.program)).toMatchObject({ changed, needsRestart: NEEDS_RESTART });
    expect(await shown(secure)).toBe('CN=first');
    expect(await settingsOf(secure)).toMatchObject({ ...changed, tls_cert: files.cert });
    expect(await secure.program.stop()).toBe(0);

    const plain = await files.start('queen');
    await files.put(first);
    await files.configure('max_bandwidth = "30MB/s"');
    const begun = await hangUp(plain.program);
    expect(begun).toMatchObject({ changed: { max_bandwidth: 30_000_000 }, needsRestart: NEEDS_RESTART });
    expect(begun).not.toHaveProperty('renewed');
    expect((await fetch(`${plain.url}/health`)).status).toBe(200);
    expect(plain.url).toMatch(/^http:/);
  });
});
