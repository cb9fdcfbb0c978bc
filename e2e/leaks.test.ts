import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import {
  startHub,
  startProgram,
  startWebServer,
  type TempDir,
  type TestHub,
  tempDir,
  type WebServer,
} from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { filesBelow, leaksOf } from './support/evidence.ts';
import { type Daemon, KEEPER, startDaemon } from './support/fleet.ts';
import { readStream } from './support/sse.ts';

// Goal: no token, signed query or authorization header of a whole run ends up anywhere that people or programs look.
// Method: three tokens, signed URLs and hostile servers; the contents of every place are collected byte by byte and searched
// in several encodings. Each place is also searched for something that must be there, to prove that the search works.

const secret = (name: string) => `${name}${randomBytes(12).toString('hex')}`;
const HF = secret('hf_');
const QUEEN = secret('queen');
const HIVE = secret('hive');
const WRONG = secret('wrong');
const SIGNATURE = secret('');
const CREDENTIAL = secret('AKIA');
const REDIRECT = secret('redirect');
const REFUSED = secret('refused');
const PASSWORD = secret('password');
const ECHO = secret('echo');
const BODY = secret('body');
const PATH = secret('path');
const SIGNED = `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${CREDENTIAL}%2F20260101&X-Amz-Expires=600&X-Amz-Signature=${SIGNATURE}`;
/** Small, since every byte of every file is searched for every secret. */
const FILE = { size: 1024 * 1024, seed: 7 };

let folder: TempDir;
let hub: TestHub;
let web: WebServer;
let queen: Daemon;
let hive: Daemon;
let secrets: Record<string, string>;
/** The contents of each place, and a text that must be in it. */
const evidence = new Map<string, { text: string; marker: string }>();
/** How each download ended, by its name. */
const ends = new Map<string, string | undefined>();

/** The leaks of each place: a place is searched once. */
const searched = new Map<string, readonly string[]>();

function leaksIn(place: string): readonly string[] {
  const leaks = searched.get(place) ?? leaksOf(evidence.get(place)?.text ?? '', secrets);
  searched.set(place, leaks);
  return leaks;
}

function gather(place: string, text: string, marker: string): void {
  evidence.set(place, { text: `${evidence.get(place)?.text ?? ''}\n${text}`, marker });
}

async function ask(method: string, url: string, options: { token?: string; body?: string; type?: string } = {}) {
  const token = options.token ?? (url.startsWith(queen.url) ? QUEEN : HIVE);
  const answer = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(options.body === undefined ? {} : { 'content-type': options.type ?? 'application/json' }),
    },
    ...(options.body === undefined ? {} : { body: options.body }),
  });
  const headers = JSON.stringify([...answer.headers]);
  return { status: answer.status, text: `${headers}\n${await answer.text()}` };
}

async function keeper(args: readonly string[], env: Record<string, string> = {}) {
  const program = await startProgram({
    command: process.execPath,
    args: [KEEPER, ...args],
    env: { HOME: folder.path, RBEE_QUEEN_URL: queen.url, RBEE_API_TOKEN: QUEEN, ...env },
  });
  const { code } = await program.exited;
  const output = program.stdout() + program.stderr();
  gather('what the keeper prints', output, 'plain-model.gguf: complete');
  return { code, output };
}

/** Runs a download, reads its streams on both levels to the end, and records how it ended: `complete`, or its error code. */
async function follow(name: string, model: string, more: Record<string, unknown> = {}): Promise<void> {
  const body = JSON.stringify({ operation: 'model_download', model, ...more });
  const accepted = await ask('POST', `${queen.url}/v1/jobs`, { body });
  gather('the answers to a request', accepted.text, 'job_id');
  expect(accepted.status, accepted.text).toBe(202);
  const { job_id, download_id } = JSON.parse(accepted.text.slice(accepted.text.indexOf('\n'))) as Record<
    string,
    string
  >;
  const paths: [string, string, string][] = [
    ['the events of the hive', `${hive.url}/v2/downloads/${download_id}/stream`, 'model_ref'],
    ['the events of the queen', `${queen.url}/v1/downloads/${download_id}/stream`, 'orchestrator_id'],
    ['the narration of the hive', `${hive.url}/v1/jobs/${job_id}/stream`, 'download_resolve'],
    ['the narration of the queen', `${queen.url}/v1/jobs/${job_id}/stream`, 'hive_chosen'],
  ];
  const read = await Promise.all(
    paths.map(async ([place, url, marker]) => {
      const token = url.startsWith(queen.url) ? QUEEN : HIVE;
      const reader = await readStream(url, { authorization: `Bearer ${token}` });
      const events = await reader.toEnd();
      gather(place, JSON.stringify(events), marker);
      return events;
    }),
  );
  const last = read[1]?.at(-1);
  ends.set(name, last?.event === 'complete' ? 'complete' : (JSON.parse(last?.data ?? '{}') as { code?: string }).code);
}

beforeAll(async () => {
  folder = await tempDir();
  hub = await startHub({ tokens: { [HF]: { user: 'u', repos: ['org/gated'] } } });
  web = await startWebServer();
  await startDaemons();
  hub.addRepo({ id: 'org/gated', files: { 'model.gguf': FILE }, gated: true });
  await runEverything();
  secrets = {
    HF,
    QUEEN,
    HIVE,
    WRONG,
    SIGNATURE,
    CREDENTIAL,
    REDIRECT,
    REFUSED,
    PASSWORD,
    ECHO,
    BODY,
    PATH,
    ...signaturesOf(hub),
  };
  await gatherWhatIsLeft();
}, 120_000);

afterAll(async () => {
  await Promise.all([queen?.program.kill(), hive?.program.kill()]);
  await Promise.all([hub?.close(), web?.close()]);
  await folder?.remove();
});

async function startDaemons(): Promise<void> {
  const env = { HOME: folder.path, XDG_STATE_HOME: join(folder.path, 'state'), RBEE_LOG_LEVEL: 'trace' };
  queen = await startDaemon('queen', [], { ...env, RBEE_API_TOKEN: QUEEN, RBEE_HIVE_TOKEN: HIVE });
  hive = await startDaemon('hive', ['--queen-url', queen.url, '--id', 'hive-a'], {
    ...env,
    HF_ENDPOINT: hub.url,
    HF_TOKEN: HF,
    RBEE_API_TOKEN: HIVE,
    RBEE_QUEEN_TOKEN: QUEEN,
    RBEE_HIVE_MODELS_DIR: join(folder.path, 'store', 'models'),
    RBEE_HIVE_ALLOWED_SOURCES: 'hf,https,http,ollama',
    RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
    RBEE_HIVE_RETRY_ATTEMPTS: '2',
    RBEE_HIVE_RETRY_WINDOW: '0s',
    RBEE_HIVE_RETRY_BASE_DELAY: '1ms',
    RBEE_HIVE_HEARTBEAT_INTERVAL: '50ms',
    RBEE_HIVE_STALL_TIMEOUT: '2s',
  });
  const isOnline = async () => expect((await ask('GET', `${queen.url}/v1/hives`)).text).toContain('"online":true');
  await vi.waitFor(isOnline, { timeout: 20_000 });
}

async function runEverything(): Promise<void> {
  const signed = `${web.put('/plain-model.gguf', { content: FILE })}?${SIGNED}`;
  await keeper(['model', 'plan', signed]);
  expect((await keeper(['model', 'download', signed])).output).toContain('plain-model.gguf: complete');
  await keeper(['--json', 'model', 'download', 'hf:org/gated::file=model.gguf']);
  for (const args of [['model', 'list'], ['download', 'list'], ['job', 'list'], ['status'], ['hive', 'list']]) {
    await keeper(args);
    await keeper(['--json', ...args]);
  }
  for (const verb of ['get', 'verify']) expect((await keeper(['model', verb, signed])).code, verb).toBe(0);
  await keeper(['model', 'get', `${web.url}/unknown.gguf?${SIGNED}`]);
  await keeper(['status'], { RBEE_API_TOKEN: WRONG });
  await keeper(['model', 'download', `https://user:${PASSWORD}@127.0.0.1/x.gguf`]);

  await follow('signed', `${web.put('/more.gguf', { content: FILE })}?${SIGNED}`);
  await follow('digest', `${web.put('/wrong.gguf', { content: FILE })}?${SIGNED}::sha256=${'0'.repeat(64)}`);
  await follow('page', `${web.put('/page', { content: FILE, headers: { 'Content-Type': 'text/html' } })}?${SIGNED}`);
  await follow('missing', `${web.url}/nothing.gguf?${SIGNED}`);
  await followRedirects();
  await followDeadEnds();
  await followFaultsOfTheHub();
  await sendNonsense();
}

async function followRedirects(): Promise<void> {
  const target = `${web.put('/target.gguf', { content: FILE })}?token=${REDIRECT}`;
  await follow('redirect', web.redirect('/to-target', target));
  await follow('redirect to a file', web.redirect('/to-file', `file:///etc/${REDIRECT}?token=${REDIRECT}`));
  await follow('redirect to nowhere', web.redirect('/to-nowhere', `http://[${REDIRECT}?token=${REDIRECT}`));
  await follow('redirect with a password', web.redirect('/to-user', `http://u:${REDIRECT}@127.0.0.1/${REDIRECT}`));
  await follow('redirect without end', web.redirect('/loop', `/loop?token=${REDIRECT}&n={n}`));
  await follow('redirect to a refusal', web.redirect('/to-refusal', `${web.refuse('/no.gguf', 403)}?sig=${REDIRECT}`));
}

async function followDeadEnds(): Promise<void> {
  const gone = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => gone.once('listening', resolve));
  const { port } = gone.address() as AddressInfo;
  await new Promise((resolve) => gone.close(resolve));
  await follow('nobody listens', `http://127.0.0.1:${port}/x.gguf?token=${REFUSED}`);
  await follow('no such name', `https://rbee.invalid/x.gguf?token=${REFUSED}`);
  await follow('no TLS there', `${web.url.replace('http:', 'https:')}/x.gguf?token=${REFUSED}`);
  web.fault({ kind: 'drop', path: 'drop.gguf', times: 10 });
  await follow('dropped', `${web.put('/drop.gguf', { content: FILE })}?token=${REFUSED}`);
  // A transfer that is cut for good leaves a partial and its journal.
  web.fault({ kind: 'close', path: 'cut.gguf', afterBytes: FILE.size / 2 });
  web.fault({ kind: 'drop', path: 'cut.gguf', method: 'GET', times: 20 });
  await follow('cut', `${web.put('/cut.gguf', { content: FILE })}?${SIGNED}`);
  const headers = { 'X-Error-Message': ECHO, Location: `/${ECHO}`, 'WWW-Authenticate': `Bearer realm="${ECHO}"` };
  await follow('echo', `${web.refuse('/echo.gguf', 401, headers)}?token=${ECHO}`);
}

async function followFaultsOfTheHub(): Promise<void> {
  const push = (name: string) => {
    hub.addRepo({ id: `org/${name}`, files: { 'model.gguf': { ...FILE, seed: name.length } } });
    return `hf:org/${name}::file=model.gguf`;
  };
  hub.fault({ kind: 'status', status: 403, body: `the signature is ${ECHO}`, times: 20 });
  await follow('CDN refuses', push('refused'));
  hub.clearFaults();
  hub.fault({ kind: 'corrupt', at: 5, times: 20 });
  await follow('CDN corrupts', push('corrupt'));
  hub.clearFaults();
  hub.fault({ kind: 'close', afterBytes: FILE.size / 2 });
  hub.fault({ kind: 'drop', times: 20 });
  await follow('CDN cuts', push('broken'));
  hub.clearFaults();
  const refusal = { 'X-Error-Code': 'GatedRepo', 'X-Error-Message': `Bearer ${HF} ${ECHO}` };
  hub.fault({
    server: 'hub',
    kind: 'status',
    status: 403,
    headers: refusal,
    body: `{"error":"Bearer ${HF}"}`,
    times: 20,
  });
  await follow('hub echoes', push('echoing-hub'));
  hub.clearFaults();
}

/** Refused requests: their contents must not be repeated. */
async function sendNonsense(): Promise<void> {
  for (const { url } of [queen, hive]) {
    await sendGarbage(url);
    const jobs = `${url}/v1/jobs`;
    const operation = 'model_download';
    for (const refused of [
      await ask('GET', `${url}/v1/info`, { token: WRONG }),
      await ask('GET', `${url}/${PATH}?token=${PATH}`),
      await ask('GET', `${jobs}/${PATH}`),
      await ask('PUT', `${jobs}?token=${PATH}`),
      await ask('POST', jobs, { body: `{"operation":"${BODY}` }),
      await ask('POST', jobs, { body: JSON.stringify({ operation: BODY }) }),
      await ask('POST', jobs, { body: JSON.stringify({ operation, model: BODY }) }),
      await ask('POST', jobs, { body: JSON.stringify({ operation, model: 'hf:a/b', sha256: BODY }) }),
      await ask('POST', jobs, { body: JSON.stringify({ operation, model: `https://x:${BODY}@h/x` }) }),
      await ask('POST', jobs, { body: JSON.stringify({ operation, model: `ftp://h/${BODY}` }) }),
      await ask('POST', jobs, { body: JSON.stringify({ operation, model: 'hf:a/b', [`x${BODY}`]: BODY }) }),
      await ask('POST', jobs, { body: BODY, type: `text/${BODY}` }),
      await ask('GET', `${url}/v1/heartbeats/stream?last_event_id=${PATH}&last_event_id=${PATH}`),
    ]) {
      expect(refused.status, refused.text).toBeGreaterThanOrEqual(400);
      gather('the bodies of errors', refused.text, 'request_id');
    }
  }
}

/** Bytes that are not even a request must not be repeated either. */
async function sendGarbage(url: string): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(`GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${WRONG}\r\nno header ${PATH}\r\n\r\n`);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  gather('the bodies of errors', answer, 'request_id');
}

async function gatherWhatIsLeft(): Promise<void> {
  for (const { url } of [queen, hive]) {
    const downloads = url === queen.url ? '/v1/downloads' : '/v2/downloads';
    const models = url === queen.url ? '/v1/models' : '/v2/models';
    for (const path of ['/v1/info', '/v1/jobs', downloads, models, '/openapi.json']) {
      gather('the lists', (await ask('GET', url + path)).text, 'plain-model.gguf');
    }
    gather('the metrics', (await ask('GET', `${url}/metrics`)).text, 'rbee_http_requests_total{');
  }
  for (const [path, bytes] of await filesBelow(folder.path)) gather(placeOf(path), bytes, markerOf(path));
  await Promise.all([queen.program.stop(), hive.program.stop()]);
  for (const [path, bytes] of await filesBelow(folder.path)) gather(placeOf(path), bytes, markerOf(path));
  gather('the log of the queen', queen.program.stdout() + queen.program.stderr(), '"msg":"listening"');
  gather('the log of the hive', hive.program.stdout() + hive.program.stderr(), '"msg":"a token for the hub is set"');
}

function placeOf(path: string): string {
  if (/\.sqlite/.test(path))
    return `the state of the ${path.includes('queen') ? 'queen' : 'hive'}, its log of changes too`;
  if (path.includes('.rbee-')) return 'the partials and their journals';
  if (path.includes('/.rbee/')) return 'the catalog';
  return 'the other files and folders';
}

function markerOf(path: string): string {
  if (/\.sqlite/.test(path)) return 'plain-model.gguf';
  if (placeOf(path).includes('journals')) return '"url"';
  if (placeOf(path).includes('catalog')) return 'plain-model.gguf';
  return 'plain-model.gguf';
}

function signaturesOf({ requests }: TestHub): Record<string, string> {
  const found = requests
    .filter(({ server }) => server === 'cdn')
    .flatMap(({ url }) => new URL(url, 'http://cdn').searchParams.get('Signature') ?? []);
  return Object.fromEntries(found.map((signature, index) => [`signature ${index} of the CDN`, signature]));
}

describe('a run with three tokens, signed addresses and hostile servers', () => {
  it('has the expected result for every download', () => {
    expect(Object.fromEntries(ends)).toEqual({
      signed: 'complete',
      digest: 'CHECKSUM_MISMATCH',
      page: 'DOWNLOAD_FAILED',
      missing: 'MODEL_NOT_FOUND',
      redirect: 'complete',
      'redirect to a file': 'SOURCE_NOT_ALLOWED',
      'redirect to nowhere': 'DOWNLOAD_FAILED',
      'redirect with a password': 'SOURCE_NOT_ALLOWED',
      'redirect without end': 'DOWNLOAD_FAILED',
      'redirect to a refusal': 'MODEL_ACCESS_DENIED',
      'nobody listens': 'SOURCE_UNAVAILABLE',
      'no such name': 'SOURCE_UNAVAILABLE',
      'no TLS there': 'SOURCE_UNAVAILABLE',
      dropped: 'DOWNLOAD_FAILED',
      cut: 'DOWNLOAD_FAILED',
      echo: 'MODEL_ACCESS_DENIED',
      'CDN refuses': 'MODEL_ACCESS_DENIED',
      'CDN corrupts': 'CHECKSUM_MISMATCH',
      'CDN cuts': 'DOWNLOAD_FAILED',
      'hub echoes': 'MODEL_GATED',
    });
    expect(Object.keys(secrets).length).toBeGreaterThan(15);
  });

  it.each([
    'what the keeper prints',
    'the answers to a request',
    'the events of the hive',
    'the events of the queen',
    'the narration of the hive',
    'the narration of the queen',
    'the bodies of errors',
    'the lists',
    'the metrics',
    'the log of the queen',
    'the log of the hive',
    'the state of the queen, its log of changes too',
    'the state of the hive, its log of changes too',
    'the partials and their journals',
    'the catalog',
    'the other files and folders',
  ])('leaves no secret in %s', (place) => {
    const { text, marker } = evidence.get(place) ?? { text: '', marker: 'nothing was gathered' };
    expect(text.includes(marker), `"${marker}" can be found in ${place}`).toBe(true);
    expect(leaksIn(place)).toEqual([]);
    expect(text.match(/(?:authorization"?\s*[:=]\s*"?|\bBearer )(?!Bearer realm)[A-Za-z0-9._~+/-]{8,}/gi)).toBeNull();
  });

  it('leaves no secret in any place that is not in this list', () => {
    for (const place of evidence.keys()) expect(leaksIn(place), place).toEqual([]);
    expect(evidence.size).toBeGreaterThanOrEqual(16);
  });
});

describe('the search', () => {
  it.each([
    ['as it is', (text: string) => text],
    ['in a URL', encodeURIComponent],
    ['in JSON', (text: string) => JSON.stringify(text)],
    ['in base64', (text: string) => Buffer.from(text).toString('base64')],
    ['as numbers', (text: string) => JSON.stringify(Buffer.from(text))],
    ['among bytes that are no text', (text: string) => Buffer.from(`\xff\x00${text}\x80`, 'latin1').toString('latin1')],
  ])('finds a secret %s', (_, form) => {
    expect(leaksOf(`before ${form('a/"secret+')} after`, { it: 'a/"secret+' })).toHaveLength(1);
  });

  it('reads the files of a folder as they are', async () => {
    expect((await filesBelow(import.meta.dirname)).get('leaks.test.ts')).toContain(
      (await readFile(import.meta.filename, 'utf8')).slice(0, 50),
    );
  });
});
