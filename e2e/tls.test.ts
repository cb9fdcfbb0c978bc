import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { join } from 'node:path';
import {
  type Authority,
  type Certificate,
  findCommand,
  generateBytes,
  makeAuthority,
  startProgram,
  startWebServer,
  type TempDir,
  tempDir,
  type WebServer,
} from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDownload } from './support/api.ts';
import { type Daemon, startDaemon, startKeeper } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';
import { startTlsFront, type TlsFront } from './support/tls-front.ts';

/*
 * Goal: a fleet on a network that others use. Method: the built programs with certificates of a private authority, which each of them
 * knows by NODE_EXTRA_CA_CERTS alone, and three tokens; a source of https that the same authority vouches for.
 */
const isMissing = findCommand('openssl') === null && process.env['CI'] !== 'true';

const CLIENTS_TOKEN = 'token-of-the-clients-1';
const HIVE_TOKEN = 'token-that-hives-want-2';
const HIVES_TOKEN = 'token-that-hives-send-3';
const FILE = { size: 20_000_000, seed: 11 };
const EXIT = { failed: 1, unreachable: 3, unauthorised: 4, badSettings: 78 };

let folder: TempDir;
let authority: Authority;
let certificate: Certificate;
let web: WebServer;
let front: TlsFront;
let queen: Daemon;
let hive: Daemon;
let home: Record<string, string>;
let trusting: Record<string, string>;

const tlsOf = (daemon: 'QUEEN' | 'HIVE') => ({
  [`RBEE_${daemon}_TLS_CERT`]: certificate.certificateFile,
  [`RBEE_${daemon}_TLS_KEY`]: certificate.keyFile,
});
const hiveEnv = (id: string) => ({
  ...home,
  RBEE_HIVE_ID: id,
  RBEE_HIVE_STATE_DIR: join(folder.path, id, 'state'),
  RBEE_HIVE_MODELS_DIR: join(folder.path, id, 'models'),
  RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
  RBEE_HIVE_RETRY_ATTEMPTS: '1',
  RBEE_HIVE_RETRY_WINDOW: '0s',
});
const keeper = async (args: readonly string[], env: Record<string, string> = {}) => {
  const named = { RBEE_QUEEN_URL: queen.url, RBEE_API_TOKEN: CLIENTS_TOKEN };
  const program = await startKeeper(args, { ...trusting, ...named, ...env });
  const { code } = await program.exited;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
};

beforeAll(async () => {
  if (isMissing) return;
  folder = await tempDir();
  authority = await makeAuthority(folder.path);
  certificate = await authority.issue('daemons');
  home = { HOME: folder.path, XDG_STATE_HOME: join(folder.path, 'state') };
  trusting = { ...home, NODE_EXTRA_CA_CERTS: authority.certificateFile };
  web = await startWebServer();
  front = await startTlsFront(web.url, certificate);
  queen = await startDaemon('queen', [], {
    ...trusting,
    ...tlsOf('QUEEN'),
    RBEE_API_TOKEN: CLIENTS_TOKEN,
    RBEE_HIVE_TOKEN: HIVE_TOKEN,
    RBEE_QUEEN_TOKEN: HIVES_TOKEN,
  });
  hive = await startDaemon('hive', ['--queen-url', queen.url], {
    ...hiveEnv('gpu-1'),
    ...trusting,
    ...tlsOf('HIVE'),
    RBEE_API_TOKEN: HIVE_TOKEN,
    RBEE_QUEEN_TOKEN: HIVES_TOKEN,
  });
});

afterAll(async () => {
  if (isMissing) return;
  await Promise.all([queen, hive].map(({ program }) => program.kill()));
  front.close();
  await web.close();
  await folder.remove();
});

async function ask(url: string, token: string | null): Promise<{ status: number | undefined; text: string }> {
  const ca = await readFile(authority.certificateFile);
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const sent = get(url, { ca, agent: false, headers });
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk;
  return { status: answer.statusCode, text };
}

async function hives(): Promise<unknown> {
  const { text } = await ask(`${queen.url}/v1/hives`, CLIENTS_TOKEN);
  return (JSON.parse(text) as { hives: unknown }).hives;
}

describe.skipIf(isMissing)('a fleet with TLS, an authority of its own and three tokens', () => {
  it('connects to itself, with https in all its addresses', async () => {
    await expect
      .poll(hives, { timeout: 20_000 })
      .toMatchObject([{ hive_id: 'gpu-1', hive_url: hive.url, online: true }]);
    expect(queen.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(hive.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  });

  it('downloads from an https source with a private authority, through keeper, queen and hive', async () => {
    web.redirect('/go', `${front.url}/models/model.gguf`);
    web.put('/models/model.gguf', { content: FILE });
    const done = await keeper(['pull', `${front.url}/go`]);
    expect(done.stderr).not.toMatch(/error/);
    expect(done.code).toBe(0);
    expect((await readFile(done.stdout.trim())).equals(generateBytes(FILE))).toBe(true);
    const list = await keeper(['download', 'list', '--json']);
    expect(list.stdout).toContain('"complete"');
  });

  it.each([
    ['queen', 'clients', CLIENTS_TOKEN, 200],
    ['queen', 'nobody', null, 401],
    ['queen', 'the queen, for hives', HIVE_TOKEN, 401],
    ['queen', 'hives, for the queen', HIVES_TOKEN, 401],
    ['hive', 'the queen, for hives', HIVE_TOKEN, 200],
    ['hive', 'nobody', null, 401],
    ['hive', 'clients', CLIENTS_TOKEN, 401],
    ['hive', 'hives, for the queen', HIVES_TOKEN, 401],
  ] as const)('opens the %s to the token of %s: %s', async (which, _, token, status) => {
    const { url } = which === 'queen' ? queen : hive;
    for (const path of ['/v1/info', '/v1/jobs', '/openapi.json'])
      expect((await ask(url + path, token)).status).toBe(status);
    expect((await ask(`${url}/health`, token)).status).toBe(200);
  });

  it('refuses a keeper without the right token', async () => {
    for (const token of ['', HIVE_TOKEN, `${CLIENTS_TOKEN}x`]) {
      expect(await keeper(['hive', 'list'], { RBEE_API_TOKEN: token })).toMatchObject({
        code: EXIT.unauthorised,
        stdout: '',
      });
    }
  });

  it.each([
    [
      'does not know the authority',
      () => queen.url,
      { NODE_EXTRA_CA_CERTS: '' },
      [/not trusted/, /NODE_EXTRA_CA_CERTS=/],
    ],
    [
      'uses a name that is not in the certificate',
      () => queen.url.replace('127.0.0.1', 'localhost'),
      {},
      [/another name/],
    ],
    ['writes http for https', () => queen.url.replace('https', 'http'), {}, [/https:\/\//]],
    ['writes https for http', () => web.url.replace('http', 'https'), {}, [/not speak TLS/, /http:\/\//]],
  ])('[D2] tells a keeper that %s what to do', async (_, url, env, words) => {
    const refused = await keeper(['hive', 'list'], { RBEE_QUEEN_URL: url(), ...env });
    expect(refused).toMatchObject({ code: EXIT.unreachable, stdout: '' });
    for (const word of words) expect(refused.stderr).toMatch(word);
    expect(refused.stderr).not.toContain(CLIENTS_TOKEN);
  });

  it('[D2] gives a hint if a hive knows neither the authority of its queen nor that of a source', async () => {
    const stranger = await startDaemon('hive', ['--queen-url', queen.url], {
      ...hiveEnv('stranger'),
      RBEE_QUEEN_TOKEN: HIVES_TOKEN,
    });
    try {
      const line = await stranger.program.waitForLine(
        ({ json }) => json?.['msg'] === 'not registered with the queen',
        'its complaint',
      );
      expect(line.json?.['problem']).toMatch(/not trusted.*NODE_EXTRA_CA_CERTS=/);
      const { download_id } = await startDownload(stranger.url, `${front.url}/models/model.gguf`);
      const events = await (await readStream(`${stranger.url}/v2/downloads/${download_id}/stream`)).toEnd();
      expect(jsonOf(events.at(-1))).toMatchObject({
        code: 'SOURCE_UNAVAILABLE',
        error: expect.stringMatching(/not trusted/),
        hint: expect.stringMatching(/NODE_EXTRA_CA_CERTS=/),
      });
    } finally {
      await stranger.program.kill();
    }
  });

  it('[D2] gives a hint if a queen does not know the authority of a hive', async () => {
    const stranger = await startDaemon('queen', ['--hives', `gpu-1=${hive.url}`], {
      ...home,
      RBEE_QUEEN_STATE_DIR: join(folder.path, 'stranger-queen'),
      RBEE_HIVE_TOKEN: HIVE_TOKEN,
    });
    try {
      const line = await stranger.program.waitForLine(
        ({ json }) => json?.['msg'] === 'cannot follow a hive',
        'its complaint',
      );
      expect(line.json?.['problem']).toMatch(/not trusted.*NODE_EXTRA_CA_CERTS=/);
      const { hives: listed } = (await (await fetch(`${stranger.url}/v1/hives`)).json()) as { hives: object[] };
      expect(listed).toMatchObject([{ online: false, problem: expect.stringMatching(/NODE_EXTRA_CA_CERTS=/) }]);
    } finally {
      await stranger.program.kill();
    }
  });

  it('does not start with missing files or wrong settings, and reports all problems together', async () => {
    const refused = await startProgram({
      command: process.execPath,
      args: [
        join(import.meta.dirname, '../apps/hive/bin/rbee-hive.js'),
        '--tls-cert',
        '/nowhere/a.pem',
        '--tls-key',
        '/nowhere/b.pem',
        '--port',
        'x',
      ],
      env: hiveEnv('refused'),
    });
    expect(await refused.exited).toMatchObject({ code: EXIT.badSettings });
    expect(refused.stderr()).toMatch(/--port: "x"/);
    expect(refused.stderr()).toMatch(/--tls-cert: cannot read \/nowhere\/a\.pem \(ENOENT\)/);
    expect(refused.stderr()).toMatch(/--tls-key: cannot read \/nowhere\/b\.pem \(ENOENT\)/);
  });

  it('is used by "up" if the environment configures it, but not by the daemons of a single command', async () => {
    const env = {
      ...trusting,
      ...tlsOf('QUEEN'),
      ...tlsOf('HIVE'),
      RBEE_HIVE_MODELS_DIR: join(folder.path, 'up', 'models'),
      RBEE_HIVE_STATE_DIR: join(folder.path, 'up', 'state'),
      RBEE_QUEEN_STATE_DIR: join(folder.path, 'up', 'queen'),
      RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
      RBEE_API_TOKEN: CLIENTS_TOKEN,
      RBEE_QUEEN_TOKEN: HIVES_TOKEN,
    };
    const up = await startKeeper(['up', '--queen-port', '0', '--hive-port', '0', '--json'], env);
    const { json } = await up.waitForLine((line) => line.json !== null, 'the fleet', { timeoutMs: 30_000 });
    expect(JSON.stringify(json)).toMatch(/"queen_url":"https:.*"hive_url":"https:/);
    await up.stop('SIGINT');
    const own = await startKeeper(['pull', `${front.url}/models/model.gguf`], env);
    expect(await own.exited, own.stderr()).toMatchObject({ code: 0 });
    expect(own.stderr()).toMatch(/a temporary queen and hive/);
  });

  it('drains with streams open', async () => {
    const watcher = await startKeeper(['download', 'watch'], {
      ...trusting,
      RBEE_QUEEN_URL: queen.url,
      RBEE_API_TOKEN: CLIENTS_TOKEN,
    });
    await watcher.waitFor(() => watcher.stderr() + watcher.stdout() !== '', 'what is there');
    expect(await hive.program.stop()).toBe(0);
    expect(await queen.program.stop()).toBe(0);
    await watcher.kill();
  });
});
