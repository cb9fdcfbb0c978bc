import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startHub, type TestHub } from '../../src/hub/hub.ts';
import { ask, get } from '../http-get.ts';

const ID = 'acme/tiny';
const SIZE = 20_000_000;
let hub: TestHub;

beforeEach(async () => {
  hub = await startHub();
  hub.addRepo({ id: ID, files: { 'w.gguf': { size: SIZE, seed: 8 }, 'config.json': Buffer.from('{}') } });
});
afterEach(() => hub.close());

it('records every request with its range, status and bytes', async () => {
  await get(`${hub.url}/${ID}/raw/main/config.json`, { 'user-agent': 'test/1' });
  await get(hub.signedUrl(ID, 'w.gguf'), { range: 'bytes=10-19' });
  await hub.waitFor(() => hub.requests.every((request) => request.ended), 'both responses to end');
  expect(hub.requests[0]).toMatchObject({
    server: 'hub',
    method: 'GET',
    url: `/${ID}/raw/main/config.json`,
    headers: { 'user-agent': 'test/1' },
    range: null,
    status: 200,
    bytesSent: 2,
    aborted: false,
    fault: null,
  });
  expect(hub.requests[1]).toMatchObject({ server: 'cdn', range: 'bytes=10-19', status: 206, bytesSent: 10 });
  hub.clearRequests();
  expect(hub.requests).toEqual([]);
});

it('sees a client leave in the middle of a body', async () => {
  const asked = ask(hub.signedUrl(ID, 'w.gguf'));
  await hub.waitFor(() => asked.received() > 0, 'the first bytes');
  expect(hub.openSockets('cdn')).toBe(1);
  asked.leave();
  await hub.waitFor(() => hub.openSockets('cdn') === 0, 'the socket to be closed');
  expect(hub.requests[0]).toMatchObject({ aborted: true, ended: true });
  expect(hub.requests[0]?.bytesSent).toBeLessThan(SIZE);
});

it('counts the connections of each server, idle ones too', async () => {
  const idle = connect(Number(new URL(hub.url).port), '127.0.0.1');
  await hub.waitFor(() => hub.openSockets('hub') === 1, 'the connection');
  expect(hub.openSockets('cdn')).toBe(0);
  expect(hub.inFlight('hub')).toBe(0);
  idle.destroy();
  await hub.waitFor(() => hub.openSockets('hub') === 0, 'its end');
});

it('tells its state when a wait is in vain', async () => {
  await get(`${hub.url}/${ID}/raw/main/config.json`);
  hub.fault({ kind: 'stall', afterBytes: 3 });
  const failed = await hub.waitFor(() => false, 'pigs to fly', { timeoutMs: 1 }).catch(String);
  expect(failed).toContain('pigs to fly');
  expect(failed).toContain(`hub GET /${ID}/raw/main/config.json: status 200, 2 bytes`);
  expect(failed).toContain('{"kind":"stall","afterBytes":3}');
  expect(failed).toContain('open sockets: hub ');
});

it('closes with connections open, ends them, and frees its ports', async () => {
  hub.fault({ kind: 'no_headers' });
  const silent = ask(hub.signedUrl(ID, 'w.gguf'));
  await hub.waitFor(() => hub.inFlight('cdn') === 1, 'the request');
  hub.throttle(0);
  const held = ask(hub.signedUrl(ID, 'w.gguf'));
  await hub.waitFor(() => hub.inFlight('cdn') === 2, 'the other request');
  await hub.close();
  await hub.close();
  expect((await silent.answer).error).not.toBeNull();
  expect((await held.answer).error).not.toBeNull();
  const refused = connect(Number(new URL(hub.cdnUrl).port), '127.0.0.1');
  const [error] = await once(refused, 'error');
  expect(error.code).toBe('ECONNREFUSED');
  hub = await startHub();
});

it('goes away and comes back at the same ports', async () => {
  hub.throttle(0);
  const held = ask(hub.signedUrl(ID, 'w.gguf'));
  await hub.waitFor(() => hub.inFlight('cdn') === 1, 'the request');
  await hub.pause('cdn');
  expect((await held.answer).error).toBe('ECONNRESET');
  const refused = connect(Number(new URL(hub.cdnUrl).port), '127.0.0.1');
  const [error] = await once(refused, 'error');
  expect(error.code).toBe('ECONNREFUSED');
  expect((await get(`${hub.url}/${ID}/raw/main/config.json`)).status).toBe(200);
  await hub.pause();
  await hub.resume();
  hub.throttle(null);
  const range = { range: 'bytes=10-19' };
  expect((await get(hub.signedUrl(ID, 'w.gguf'), range)).status).toBe(206);
  expect((await get(`${hub.url}/${ID}/raw/main/config.json`)).status).toBe(200);
});

it('listens on loopback only, the two servers at origins of their own', () => {
  expect(new URL(hub.url).hostname).toBe('127.0.0.1');
  expect(new URL(hub.cdnUrl).hostname).toBe('127.0.0.1');
  expect(hub.url).not.toBe(hub.cdnUrl);
});

it('takes a given port, and leaves nothing behind when it is taken', async () => {
  await expect(startHub({ port: Number(new URL(hub.url).port) })).rejects.toThrow('EADDRINUSE');
});

it('refuses repos, files and ids that cannot be', () => {
  expect(() => hub.addRepo({ id: 'a/b/c', files: {} })).toThrow('not a repo id');
  expect(() => hub.addRepo({ id: 'a/b', files: {}, revisions: { v1: 'short' } })).toThrow('not a full commit');
  expect(() => hub.pushCommit('a/none', {})).toThrow('no repo a/none');
  expect(() => hub.setFile(ID, 'none', Buffer.alloc(0))).toThrow('has no file none');
  expect(() => hub.signedUrl(ID, 'none')).toThrow('has no file none');
});

it('sends clients to what was put in front of its CDN', async () => {
  const fronted = await startHub({ cdnFront: async (cdnUrl) => cdnUrl.replace('127.0.0.1', 'localhost') });
  try {
    fronted.addRepo({ id: ID, files: { 'w.gguf': { size: 3, seed: 8 } } });
    const { headers } = await get(fronted.resolveUrl(ID, 'w.gguf'));
    const location = new URL(String(headers['location']));
    expect(location.hostname).toBe('localhost');
    expect(location.port).toBe(new URL(fronted.cdnUrl).port);
  } finally {
    await fronted.close();
  }
});
