import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hiveRoutes, RbeeError, toErrorBody } from '@rbee/contract';
import { Agent } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { callRoute, type Peer, PeerError, withLogFields } from '../../src/index.ts';

// Goal: a call to another daemon ends in a checked response, its own error or a PeerError, whatever is at its address.
// Method: a real server with scripted responses.

/** A peer that handles every request with `listener`, until the test ends. */
async function peerWith(listener: RequestListener, options: Partial<Peer> = {}): Promise<Peer> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const dispatcher = new Agent();
  onTestFinished(async () => {
    await dispatcher.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: null, dispatcher, ...options };
}

const json =
  (status: number, body: unknown): RequestListener =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

const timeoutMs = 5_000;

describe('a call of a route', () => {
  it('sends parameters, query, body, token and request id, and returns the checked response', async () => {
    const seen: unknown[] = [];
    const peer = await peerWith(
      (request, response) => {
        const { authorization, 'x-request-id': id, 'content-type': type } = request.headers;
        let text = '';
        request.on('data', (chunk) => {
          text += String(chunk);
        });
        request.on('end', () => {
          seen.push([request.method, request.url, authorization, id, type, text]);
          response.end('{"removed":3,"unknown":1}');
        });
      },
      { token: 'secret' },
    );
    const options = { params: { id: 'a/b' }, query: { status: 'failed' }, body: { n: 1 }, timeoutMs };
    const result = await withLogFields({ requestId: 'req-1' }, () =>
      callRoute(peer, hiveRoutes.removeDownload, options),
    );
    expect(result).toEqual({ removed: 3 });
    const path = '/v2/downloads/a%2Fb?status=failed';
    expect(seen).toEqual([['DELETE', path, 'Bearer secret', 'req-1', 'application/json', '{"n":1}']]);
  });

  it('rejects with the error of the other daemon', async () => {
    const error = new RbeeError('STATUS_CONFLICT', 'it has ended', { hint: 'look at it' });
    const peer = await peerWith(json(409, toErrorBody(error, 'r')));
    const call = callRoute(peer, hiveRoutes.health, { timeoutMs });
    await expect(call).rejects.toMatchObject({ name: 'RbeeError', code: 'STATUS_CONFLICT', hint: 'look at it' });
  });

  it.each([
    ['an error without our envelope', json(502, 'bad gateway'), 'it responded with status 502'],
    ['a body that is not JSON', ((_, response) => response.end('<html>')) as RequestListener, /does not match/],
    ['a body of another shape', json(200, { status: 'odd' }), 'its response does not match this version'],
    ['a body over the limit', json(200, 'x'.repeat(5_000)), 'its response is larger than 4 KiB'],
  ])('rejects %s', async (_what, listener, message) => {
    const peer = await peerWith(listener);
    const call = callRoute(peer, hiveRoutes.health, { timeoutMs, maxResponseBytes: 4_096 });
    await expect(call).rejects.toThrow(PeerError);
    await expect(callRoute(peer, hiveRoutes.health, { timeoutMs, maxResponseBytes: 4_096 })).rejects.toThrow(message);
  });

  it.each<[string, RequestListener]>([
    ['nothing', () => {}],
    ['headers and no body', (_, response) => response.writeHead(200).flushHeaders()],
    ['a body that trickles in', (_, response) => void response.writeHead(200).write(' ')],
  ])('times out on a daemon that sends %s', async (_what, listener) => {
    const limit = new AbortController();
    const deadline = (ms: number) => {
      expect(ms).toBe(timeoutMs);
      return limit.signal;
    };
    const peer = await peerWith(
      (request, response) => {
        listener(request, response);
        limit.abort(new Error('too late'));
      },
      { deadline },
    );
    await expect(callRoute(peer, hiveRoutes.health, { timeoutMs })).rejects.toThrow(new PeerError('too late'));
  });

  it('stops when its caller aborts', async () => {
    const controller = new AbortController();
    const peer = await peerWith(() => controller.abort(new Error('stopped')));
    const call = callRoute(peer, hiveRoutes.health, { timeoutMs, signal: controller.signal });
    await expect(call).rejects.toThrow('stopped');
  });

  it('names why a connection failed', async () => {
    const peer = await peerWith(json(200, {}));
    const nowhere = { ...peer, url: 'http://127.0.0.1:1' };
    await expect(callRoute(nowhere, hiveRoutes.health, { timeoutMs })).rejects.toThrow(/ECONNREFUSED/);
    const tls = { ...peer, url: peer.url.replace('http:', 'https:') };
    await expect(callRoute(tls, hiveRoutes.health, { timeoutMs })).rejects.toMatchObject({
      name: 'PeerError',
      message: expect.stringContaining('ERR_SSL'),
      hint: expect.stringContaining('http://'),
    });
  });
});
