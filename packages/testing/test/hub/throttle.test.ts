import { afterEach, beforeEach, expect, it } from 'vitest';
import { startHub, type TestHub } from '../../src/hub/hub.ts';
import { createThrottle } from '../../src/hub/throttle.ts';
import { ask, get } from '../http-get.ts';

const ID = 'acme/tiny';
const SIZE = 400_000;

let hub: TestHub;
let url: string;

beforeEach(async () => {
  hub = await startHub();
  hub.addRepo({ id: ID, files: { 'w.gguf': { size: SIZE, seed: 8 }, 'config.json': Buffer.from('{}') } });
  url = hub.signedUrl(ID, 'w.gguf');
});
afterEach(() => hub.close());

it('sends no faster than its limit, in small pieces', async () => {
  const rate = 1_000_000;
  hub.throttle(rate);
  const startedAt = performance.now();
  const sent: { bytes: number; atMs: number }[] = [];
  const answer = get(url);
  await hub.waitFor(() => {
    const bytes = hub.requests[0]?.bytesSent ?? 0;
    if (bytes > (sent.at(-1)?.bytes ?? 0)) sent.push({ bytes, atMs: performance.now() - startedAt });
    return hub.requests[0]?.ended === true;
  }, 'the whole body');
  expect((await answer).body.length).toBe(SIZE);
  // Each look at the counter lies under the line of the rate, with what a connection may send at once on top.
  const burst = rate * 0.04;
  expect(sent.filter(({ bytes, atMs }) => bytes > (rate * atMs) / 1000 + burst)).toEqual([]);
  expect(sent.length).toBeGreaterThan(SIZE / burst - 1);
});

it('holds every body at zero, the headers not, and sends the rest when it is lifted', async () => {
  hub.throttle(0);
  const asked = ask(url);
  await hub.waitFor(() => hub.requests[0]?.status === 200, 'the headers');
  expect(hub.requests[0]?.bytesSent).toBe(0);
  expect((await get(`${hub.url}/${ID}/raw/main/config.json`)).body.toString()).toBe('{}');
  hub.throttle(null);
  expect((await asked.answer).body.length).toBe(SIZE);
});

it('can be put on while a body is under way', async () => {
  hub.throttle(200_000);
  const asked = ask(url);
  await hub.waitFor(() => asked.received() > 0, 'the first bytes');
  hub.throttle(0);
  // What was being written when the throttle changed may still go out.
  expect(hub.requests[0]?.bytesSent).toBeLessThan(SIZE);
  expect(hub.requests[0]?.ended).toBe(false);
  asked.leave();
  await hub.waitFor(() => hub.inFlight('cdn') === 0, 'the client to be gone');
  expect(hub.requests[0]).toMatchObject({ aborted: true });
});

it('gives each connection an allowance of its own', async () => {
  const throttle = createThrottle(1000);
  const signal = new AbortController().signal;
  const taken = await Promise.all([throttle.open().take(10_000, signal), throttle.open().take(10_000, signal)]);
  for (const bytes of taken) expect(bytes).toBeGreaterThanOrEqual(20);
  for (const bytes of taken) expect(bytes).toBeLessThanOrEqual(40);
});

it('ends a wait when the client is gone', async () => {
  const throttle = createThrottle(0);
  const controller = new AbortController();
  const waiting = throttle.open().take(1, controller.signal);
  controller.abort();
  expect(await waiting).toBe(0);
});

it('refuses what is no rate', () => {
  expect(() => hub.throttle(-1)).toThrow('not a rate');
  expect(() => hub.throttle(Number.NaN)).toThrow('not a rate');
});
