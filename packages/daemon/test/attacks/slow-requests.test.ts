import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { answersIn, sendRaw, serveDaemon } from '../support.ts';

// Goal: a client cannot keep its connection by sending slowly. Method: it stops in the middle of a request, and the test
// waits until the server, with short timeouts, closes the connection.

const TIMEOUTS = { handshakeMs: 150, headersMs: 150, requestMs: 300, checkMs: 50, closeMs: 3_000 };
/** Long enough for the headers of a request on a busy machine. */
const STREAM_TIMEOUTS = { ...TIMEOUTS, headersMs: 2_000, requestMs: 2_000 };

describe('slowloris: a request that never ends', () => {
  it.each([
    ['in the request line', 'GET /hea'],
    ['in the headers', 'GET /health HTTP/1.1\r\nHost: localhost\r\nX-One: '],
    [
      'in a body',
      'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{"ope',
    ],
    [
      'in a chunk',
      'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\n{"o',
    ],
  ])('%s gets 408, and the connection is closed', async (_, bytes) => {
    const { port, asked } = await serveDaemon({ timeouts: TIMEOUTS });
    const [answer] = answersIn(await sendRaw(port, bytes));
    expect(answer).toMatchObject({ status: 408, text: expect.stringContaining('"code":"REQUEST_INVALID"') });
    expect(asked).toEqual([]);
  });

  it('byte by byte gets 408 too: a byte does not extend the timeout', async () => {
    const { port } = await serveDaemon({ timeouts: TIMEOUTS });
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\nX-One: ');
    const drip = setInterval(() => socket.write('x'), 20);
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(drip);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('does not end a stream whose request was on time', async () => {
    const { url, hub } = await serveDaemon({ timeouts: STREAM_TIMEOUTS });
    const stream = await fetch(`${url}/v1/heartbeats/stream`);
    // When this request times out, the stream is older than the limit.
    await sendRaw(Number(new URL(url).port), 'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{');
    expect(hub.readers).toBe(1);
    await stream.body?.cancel();
  });
});
