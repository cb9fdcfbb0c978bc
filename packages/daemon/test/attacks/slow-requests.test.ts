import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { answersIn, sendRaw, serveDaemon } from '../support.ts';

// Goal: a client that sends as slowly as it can does not keep its connection. Method: it stops in the middle, and the test
// waits for the server to end it; the times are those of the server, made short.

const TIMEOUTS = { handshakeMs: 150, headersMs: 150, requestMs: 300, checkMs: 50 };

describe('slowloris: a request that does not come to its end', () => {
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
  ])('%s is answered with 408 and closed', async (_, bytes) => {
    const { port, asked } = await serveDaemon({ timeouts: TIMEOUTS });
    const [answer] = answersIn(await sendRaw(port, bytes));
    expect(answer).toMatchObject({ status: 408, text: expect.stringContaining('"code":"REQUEST_INVALID"') });
    expect(asked).toEqual([]);
  });

  it('byte by byte is let go as well: each byte does not buy more time', async () => {
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

  it('does not touch a stream that was asked for in time', async () => {
    const { url, hub } = await serveDaemon({ timeouts: TIMEOUTS });
    const stream = await fetch(`${url}/v1/heartbeats/stream`);
    // By the time that this one has been let go, the stream is older than the limit.
    await sendRaw(Number(new URL(url).port), 'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{');
    expect(hub.readers).toBe(1);
    await stream.body?.cancel();
  });
});
