import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateBytes } from '../../src/hub/content.ts';
import { startHub, type TestHub } from '../../src/hub/hub.ts';
import type { RepoFile } from '../../src/hub/repo.ts';
import { ask, get, head } from '../http-get.ts';

const ID = 'acme/tiny';
const WEIGHTS = { size: 200_000, seed: 8 };
const whole = generateBytes(WEIGHTS);

let hub: TestHub;
let url: string;
let file: RepoFile | undefined;

beforeEach(async () => {
  hub = await startHub();
  [file] = hub.addRepo({ id: ID, files: { 'w.gguf': WEIGHTS, 'x.gguf': { size: 10, seed: 1 } } }).files;
  url = hub.signedUrl(ID, 'w.gguf');
});
afterEach(() => hub.close());

/** The request after the fault is answered as if there had been none. */
async function expectHealthy(): Promise<void> {
  const answer = await get(url);
  expect([answer.status, answer.error, answer.body.equals(whole)]).toEqual([200, null, true]);
}

describe('a fault in the body', () => {
  it('resets the connection after so many bytes', async () => {
    hub.fault({ kind: 'reset', afterBytes: 50_000 });
    const answer = await get(url);
    expect(answer.error).toBe('ECONNRESET');
    expect(answer.headers['content-length']).toBe(String(WEIGHTS.size));
    expect(answer.body.equals(whole.subarray(0, 50_000))).toBe(true);
    await expectHealthy();
  });

  it('closes it cleanly, so that the body is short', async () => {
    hub.fault({ kind: 'close', afterBytes: 60_000 });
    const answer = await get(url, { range: 'bytes=100-' });
    expect(answer.status).toBe(206);
    expect(answer.error).not.toBeNull();
    expect(answer.body.equals(whole.subarray(100, 60_100))).toBe(true);
    expect(hub.requests.at(-1)).toMatchObject({ bytesSent: 60_000, aborted: false, fault: 'close' });
    await expectHealthy();
  });

  it('stalls it until the client goes', async () => {
    hub.fault({ kind: 'stall', afterBytes: 70_000 });
    const asked = ask(url);
    await hub.waitFor(() => asked.received() === 70_000, 'all bytes before the stall');
    expect(hub.requests.at(-1)).toMatchObject({ status: 200, bytesSent: 70_000, ended: false });
    asked.leave();
    await hub.waitFor(() => hub.requests.at(-1)?.ended === true, 'the end of the stalled response');
    expect(hub.requests.at(-1)).toMatchObject({ bytesSent: 70_000, aborted: true });
    await expectHealthy();
  });

  it('corrupts one byte, in the first request that covers it', async () => {
    const handle = hub.fault({ kind: 'corrupt', at: 150_000 });
    expect((await get(url, { range: 'bytes=0-149999' })).body.equals(whole.subarray(0, 150_000))).toBe(true);
    expect(handle.taken).toBe(0);
    const { body } = await get(url, { range: 'bytes=100000-' });
    expect([...body.keys()].filter((index) => body[index] !== whole[100_000 + index])).toEqual([50_000]);
    expect(handle.taken).toBe(1);
    await expectHealthy();
  });

  it('leaves HEAD alone', async () => {
    hub.fault({ kind: 'reset', afterBytes: 0 });
    expect((await head(url)).error).toBeNull();
    expect((await get(url)).error).toBe('ECONNRESET');
  });
});

describe('a fault before the body', () => {
  it('never answers', async () => {
    hub.fault({ kind: 'no_headers' });
    const asked = ask(url);
    await hub.waitFor(() => hub.inFlight('cdn') === 1, 'the request at the CDN');
    expect(hub.requests.at(-1)?.status).toBeNull();
    asked.leave();
    expect((await asked.answer).status).toBeNull();
    await hub.waitFor(() => hub.inFlight('cdn') === 0 && hub.openSockets('cdn') === 0, 'the client to be gone');
    await expectHealthy();
  });

  it('drops the connection', async () => {
    hub.fault({ kind: 'drop' });
    expect(await get(url)).toMatchObject({ status: null, error: 'ECONNRESET' });
    await expectHealthy();
  });

  it('answers with a status and headers of its own', async () => {
    hub.fault({ kind: 'status', status: 429, headers: { 'Retry-After': '7' }, body: 'slow down' });
    hub.fault({ kind: 'status', status: 503, headers: { 'Retry-After': 'Wed, 01 Jan 2025 00:00:00 GMT' } });
    const limited = await get(url);
    expect([limited.status, limited.headers['retry-after'], limited.body.toString()]).toEqual([429, '7', 'slow down']);
    const unavailable = await get(url);
    expect([unavailable.status, unavailable.headers['retry-after']]).toEqual([503, 'Wed, 01 Jan 2025 00:00:00 GMT']);
    await expectHealthy();
  });

  it('answers with a page of HTML', async () => {
    hub.fault({ kind: 'html' });
    const answer = await get(url, { range: 'bytes=10-' });
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(answer.body.toString()).toContain('<html>');
    await expectHealthy();
  });

  it('ignores a range, and waits for one', async () => {
    hub.fault({ kind: 'ignore_range' });
    await expectHealthy();
    const answer = await get(url, { range: 'bytes=10-' });
    expect([answer.status, answer.headers['content-range'], answer.body.length]).toEqual([
      200,
      undefined,
      WEIGHTS.size,
    ]);
    expect(hub.requests.at(-1)?.range).toBe('bytes=10-');
  });

  it('sends a wrong Content-Range', async () => {
    hub.fault({ kind: 'wrong_content_range' });
    hub.fault({ kind: 'wrong_content_range', value: 'bytes 0-1/2' });
    const shifted = await get(url, { range: 'bytes=10-19' });
    expect(shifted.status).toBe(206);
    expect(shifted.headers['content-range']).toBe('bytes 11-20/200000');
    expect(shifted.body.equals(whole.subarray(10, 20))).toBe(true);
    expect((await get(url, { range: 'bytes=10-19' })).headers['content-range']).toBe('bytes 0-1/2');
    expect((await get(url, { range: 'bytes=10-19' })).headers['content-range']).toBe('bytes 10-19/200000');
  });

  it('sends a wrong ETag', async () => {
    hub.fault({ kind: 'wrong_etag' });
    hub.fault({ kind: 'wrong_etag', etag: 'W/"weak"' });
    expect((await get(url)).headers.etag).toMatch(/^"0+"$/);
    expect((await get(url)).headers.etag).toBe('W/"weak"');
    expect((await get(url)).headers.etag).toBe(file?.finalEtag);
  });

  it('sends the body without its length', async () => {
    hub.fault({ kind: 'no_length' });
    const answer = await get(url);
    expect(answer.headers['content-length']).toBeUndefined();
    expect(answer.headers['transfer-encoding']).toBe('chunked');
    expect(answer.body.equals(whole)).toBe(true);
  });

  it('expires every signed address, also the one that is being asked for', async () => {
    hub.fault({ kind: 'expire_signed_urls' });
    expect((await get(url)).status).toBe(403);
    expect((await get(url)).status).toBe(403);
    expect((await get(hub.signedUrl(ID, 'w.gguf'))).status).toBe(200);
  });
});

describe('the queue', () => {
  it('gives each matching request the oldest fault, as often as it says', async () => {
    hub.fault({ kind: 'status', status: 500, times: 2 });
    hub.fault({ kind: 'status', status: 502 });
    const statuses: (number | null)[] = [];
    for (let request = 0; request < 4; request += 1) statuses.push((await get(url)).status);
    expect(statuses).toEqual([500, 500, 502, 200]);
    expect(hub.requests.map((request) => request.fault)).toEqual(['status', 'status', 'status', null]);
  });

  it('matches server, method and a part of the address', async () => {
    hub.fault({ kind: 'status', status: 500, server: 'hub' });
    hub.fault({ kind: 'status', status: 501, method: 'HEAD' });
    hub.fault({ kind: 'status', status: 502, path: 'filename="x.gguf"' });
    expect((await get(url)).status).toBe(200);
    expect((await get(hub.signedUrl(ID, 'x.gguf'))).status).toBe(502);
    expect((await get(hub.resolveUrl(ID, 'w.gguf'))).status).toBe(500);
    expect((await head(url)).status).toBe(501);
    expect((await get(hub.resolveUrl(ID, 'w.gguf'))).status).toBe(302);
  });

  it('forgets a fault that is removed', async () => {
    const always = hub.fault({ kind: 'status', status: 500, times: Number.POSITIVE_INFINITY });
    expect((await get(url)).status).toBe(500);
    expect((await get(url)).status).toBe(500);
    expect(always.taken).toBe(2);
    always.remove();
    await expectHealthy();
    hub.fault({ kind: 'drop' });
    hub.clearFaults();
    await expectHealthy();
  });
});
