import { once } from 'node:events';
import { connect } from 'node:net';
import { errorBodySchema } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import { answersIn, sendRaw, serveDaemon } from '../support.ts';

// Goal: any bytes on the socket get exactly one error body of the contract, and never reach a route that they were not
// meant for. Method: raw bytes as an attacker sends them, to the server that daemons use.

const JOB = '{"operation":"model_list"}';
const get = (path: string, ...headers: string[]) =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers.map((h) => `${h}\r\n`).join('')}Connection: close\r\n\r\n`;
const post = (headers: readonly string[], body: string) =>
  `POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers.map((h) => `${h}\r\n`).join('')}\r\n${body}`;
const SMUGGLED = 'GET /v1/jobs/job-smuggled HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\n\r\n';
const CHUNKED = `1a\r\n${JOB}\r\n0\r\n\r\n`;

describe('request smuggling: a request whose end two servers would see at different places is refused, and nothing after it is read', () => {
  it.each([
    ['Content-Length and Transfer-Encoding', ['Content-Length: 4', 'Transfer-Encoding: chunked'], CHUNKED],
    ['Transfer-Encoding and Content-Length', ['Transfer-Encoding: chunked', 'Content-Length: 4'], CHUNKED],
    ['two lengths', ['Content-Length: 26', 'Content-Length: 4'], JOB],
    ['a list of lengths', ['Content-Length: 26, 4'], JOB],
    ['a length with a sign', ['Content-Length: +26'], JOB],
    ['a negative length', ['Content-Length: -1'], JOB],
    ['a length that is no decimal number', ['Content-Length: 0x1a'], JOB],
    ['a length with a blank before the colon', ['Content-Length : 26'], JOB],
    ['a length of too many digits', [`Content-Length: ${'9'.repeat(30)}`], JOB],
    ['a coding that is not the last', ['Transfer-Encoding: chunked, identity'], CHUNKED],
    ['a coding that looks like chunked', ['Transfer-Encoding: xchunked'], CHUNKED],
    ['a coding behind a blank line feed', ['Transfer-Encoding:\n chunked'], CHUNKED],
    ['a folded header', ['X-One: a\r\n b', 'Content-Length: 26'], JOB],
    ['a header that ends with a bare line feed', ['X-One: a\nX-Two: b', 'Content-Length: 26'], JOB],
    ['a header that ends with a bare carriage return', ['X-One: a\rX-Two: b', 'Content-Length: 26'], JOB],
    ['a NUL in a header', ['X-One: a\0b', 'Content-Length: 26'], JOB],
    ['an invalid chunk size', ['Transfer-Encoding: chunked'], `zz\r\n${JOB}\r\n0\r\n\r\n`],
    ['a chunk size with a sign', ['Transfer-Encoding: chunked'], `-1a\r\n${JOB}\r\n0\r\n\r\n`],
    ['a chunk that is longer than it says', ['Transfer-Encoding: chunked'], `4\r\n${JOB}\r\n0\r\n\r\n`],
    ['a chunk size that overflows', ['Transfer-Encoding: chunked'], `ffffffffffffffff0\r\n${JOB}\r\n0\r\n\r\n`],
  ])('%s', async (_, headers, body) => {
    const { port, asked } = await serveDaemon();
    const answers = answersIn(await sendRaw(port, post(headers, body) + SMUGGLED));
    expect(answers.map(({ status }) => status)).toEqual([400]);
    expect(errorBodySchema.parse(JSON.parse(answers[0]?.text ?? ''))).toMatchObject({
      error: { code: 'REQUEST_INVALID', request_id: answers[0]?.headers.get('x-request-id') },
    });
    expect(answers[0]?.headers.get('connection')).toBe('close');
    expect(asked).toEqual([]);
  });

  it('is told from two honest requests on one connection, which are both answered', async () => {
    const { port, asked } = await serveDaemon();
    const text = await sendRaw(port, post(['Transfer-Encoding: chunked'], CHUNKED) + get('/health'));
    expect(answersIn(text).map(({ status }) => status)).toEqual([202, 200]);
    expect(asked).toEqual([{ operation: 'model_list' }]);
  });
});

describe('bytes that are no request of the API', () => {
  it.each([
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', 400, 'REQUEST_INVALID'],
    ['HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'REQUEST_INVALID'],
    ['a method that nobody knows', 'FETCH /health HTTP/1.1\r\nHost: localhost\r\n\r\n', 400, 'REQUEST_INVALID'],
    ['headers larger than 16 KiB', get('/health', `X-Large: ${'x'.repeat(17_000)}`), 431, 'REQUEST_INVALID'],
    ['many headers', get('/health', ...Array.from({ length: 3_000 }, (_, n) => `X-${n}: y`)), 431, 'REQUEST_INVALID'],
    ['a path larger than 16 KiB', get(`/${'x'.repeat(17_000)}`), 431, 'REQUEST_INVALID'],
    ['no Host', 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'REQUEST_INVALID'],
    ['two Hosts', get('/health', 'Host: evil.example'), 400, 'REQUEST_INVALID'],
    ['a tunnel', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n', 405, 'METHOD_NOT_ALLOWED'],
    [
      'a compressed body',
      post(['Content-Encoding: gzip', 'Content-Length: 26', 'Connection: close'], JOB),
      415,
      'MEDIA_TYPE_UNSUPPORTED',
    ],
    ['a truncated percent-encoding', get('/v1/jobs/%'), 400, 'REQUEST_INVALID'],
    ['a percent-encoding of no digits', get('/v1/jobs/%zz'), 400, 'REQUEST_INVALID'],
    ['a percent-encoding that is not UTF-8', get('/v1/jobs/%ff%fe'), 400, 'REQUEST_INVALID'],
    ['a NUL in an id', get('/v1/jobs/job-%00'), 404, 'JOB_NOT_FOUND'],
    ['a path out of the API', get('/v1/jobs/%2e%2e%2f%2e%2e%2fetc%2fpasswd'), 404, 'JOB_NOT_FOUND'],
    ['a path with dots', get('/v1/../../etc/passwd'), 404, 'ROUTE_NOT_FOUND'],
    ['an id without end', get(`/v1/jobs/job-${'0'.repeat(8_000)}`), 404, 'JOB_NOT_FOUND'],
    ['an id that looks like one', get('/v1/jobs/job-00000000-0000-0000-0000-00000000000g'), 404, 'JOB_NOT_FOUND'],
    ['the name of a prototype', get('/v1/jobs/__proto__'), 404, 'JOB_NOT_FOUND'],
    ['a doubled slash', get('//v1//jobs'), 404, 'ROUTE_NOT_FOUND'],
    ['a field of the query twice', get('/v1/downloads?limit=1&limit=2'), 400, 'REQUEST_INVALID'],
    ['an invalid limit', get('/v1/downloads?limit=1e9'), 400, 'REQUEST_INVALID'],
    ['an invalid event id', get(`/v1/heartbeats/stream?last_event_id=${'9'.repeat(500)}`), 400, 'REQUEST_INVALID'],
  ])('%s', async (_, bytes, status, code) => {
    const { port, log } = await serveDaemon();
    const [answer, ...more] = answersIn(await sendRaw(port, bytes));
    expect(more).toEqual([]);
    expect(answer?.status, answer?.text).toBe(status);
    const { error } = errorBodySchema.parse(JSON.parse(answer?.text ?? ''));
    expect(error).toMatchObject({ code, request_id: answer?.headers.get('x-request-id') });
    expect(log.filter((line) => /"level":(?:50|60)/.test(line))).toEqual([]);
  });

  it.each(['PUT', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'LOCK'])(
    '%s is not taken, and Allow says what is',
    async (method) => {
      const { url } = await serveDaemon();
      const path = method === 'HEAD' ? '/v1/heartbeats/stream' : '/health';
      const text = await sendRaw(Number(new URL(url).port), get(path).replace('GET', method));
      expect(text).toMatch(/^HTTP\/1\.1 405 /);
      expect(text).toMatch(/\r\nallow: GET\r\n/i);
      if (method !== 'HEAD') expect(text).toContain('"code":"METHOD_NOT_ALLOWED"');
    },
  );

  it.each([
    'limit[a]=1',
    'colour=red',
    '__proto__=1',
    '__proto__[limit]=x',
    'constructor.prototype=1',
    '&&&',
    '=',
    '%zz',
  ])('a field of the query that nobody knows changes nothing: ?%s', async (query) => {
    const { url } = await serveDaemon();
    const answer = await fetch(`${url}/v1/downloads?${query}`);
    expect(await answer.json()).toEqual({ downloads: [], next_cursor: null, problems: [] });
    expect(({} as { limit?: string }).limit).toBeUndefined();
  });

  it.each([
    ['noise', Buffer.alloc(64, 0xff)],
    ['a tunnel', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n'],
  ])('do not get an answer into the middle of a stream: %s', async (_, bytes) => {
    const { port } = await serveDaemon();
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk) => {
      if (text === '') socket.write(bytes);
      text += chunk.toString('latin1');
    });
    socket.write('GET /v1/heartbeats/stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    expect(text.match(/HTTP\/1\.1/g) ?? []).toHaveLength(1);
  });

  it('leave no trace of their bytes in the log', async () => {
    const { port, log } = await serveDaemon();
    await sendRaw(port, 'GET /health HTTP/1.1\r\nAuthorization: Bearer a-token-of-someone\r\nno header\r\n\r\n');
    expect(log.join()).toContain('malformed request');
    expect(log.join()).not.toMatch(/a-token-of-someone|rawPacket|97,45,116,111,107,101,110/);
  });
});
