import { afterEach, beforeEach, expect, it } from 'vitest';
import { startHub, type TestHub } from '../../src/hub/hub.ts';
import { createManualClock, type ManualClock } from '../../src/manual-clock.ts';
import { get } from '../http-get.ts';

const ID = 'acme/tiny';
const TOKEN = 'hf_valid';
let clock: ManualClock;
let hub: TestHub;

beforeEach(async () => {
  clock = createManualClock();
  hub = await startHub({
    now: clock.now,
    signedUrlMs: 60_000,
    tokens: { [TOKEN]: { user: 'alice', repos: [ID] } },
  });
  hub.addRepo({ id: ID, files: { 'w.gguf': { size: 1000, seed: 1 } }, gated: true });
});
afterEach(() => hub.close());

it('is good until it expires and refused from then on, as an object store does it', async () => {
  const url = hub.signedUrl(ID, 'w.gguf');
  clock.advance(59_000);
  expect((await get(url)).status).toBe(200);
  clock.advance(1_000);
  const refused = await get(url);
  expect(refused.status).toBe(403);
  expect(refused.headers['content-type']).toBe('text/xml');
  expect(refused.body.toString()).toContain('<Code>AccessDenied</Code>');
  expect((await get(hub.signedUrl(ID, 'w.gguf'))).status).toBe(200);
});

it('can be made to expire at once, and a new one is good', async () => {
  const url = hub.signedUrl(ID, 'w.gguf');
  hub.expireSignedUrls();
  expect((await get(url)).status).toBe(403);
  expect((await get(hub.signedUrl(ID, 'w.gguf'))).status).toBe(200);
});

it.each([
  ['Expires', (url: URL) => url.searchParams.set('Expires', '9999999999')],
  ['Signature', (url: URL) => url.searchParams.set('Signature', '0~forged')],
  ['Key-Pair-Id', (url: URL) => url.searchParams.set('Key-Pair-Id', 'K0')],
  ['response-content-disposition', (url: URL) => url.searchParams.set('response-content-disposition', 'inline')],
  [
    'path',
    (url: URL) => {
      url.pathname = `${url.pathname}0`;
    },
  ],
  [
    'query',
    (url: URL) => {
      url.search = '';
    },
  ],
])('is refused with another %s', async (_, change) => {
  const url = new URL(hub.signedUrl(ID, 'w.gguf'));
  change(url);
  expect((await get(url.href)).status).toBe(403);
});

it('needs no token at the CDN, refuses one there, and shows that it came', async () => {
  const redirect = await get(hub.resolveUrl(ID, 'w.gguf'), { authorization: `Bearer ${TOKEN}` });
  const url = redirect.headers.location ?? '';
  expect((await get(url)).status).toBe(200);
  expect((await get(url, { authorization: `Bearer ${TOKEN}` })).status).toBe(400);
  const seen = hub.requests
    .filter((request) => request.server === 'cdn')
    .map(({ status, headers }) => ({ status, authorization: headers.authorization }));
  expect(seen).toEqual([
    { status: 200, authorization: undefined },
    { status: 400, authorization: `Bearer ${TOKEN}` },
  ]);
});
