import { readFile } from 'node:fs/promises';
import { generateBytes } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, type Reader, readStream } from './support/sse.ts';

// Goal: a network or a hub that is away ends no download, and the streams say when the next try is. Method: the hub's sockets are closed
// and opened again at the same ports, after more attempts have failed than the hive counts. Failure shows as a download that ended.

const SIZE = 8 * 1024 * 1024;
const MODEL = 'hf:org/model::file=model.gguf';
/** One more than `RBEE_HIVE_RETRY_ATTEMPTS`. */
const BEYOND_ATTEMPTS = 7;

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({
    hiveEnv: {
      RBEE_HIVE_RETRY_BASE_DELAY: '20ms',
      RBEE_HIVE_ALLOWED_SOURCES: 'hf,https,http',
      RBEE_HIVE_HEADERS_TIMEOUT: '5s',
    },
  });
  fleet.hub.addRepo({ id: 'org/model', files: { 'model.gguf': { size: SIZE, seed: 3 } } });
});
afterEach(() => fleet.close());

const noticesOf = ({ events }: Reader) => events.filter(({ event }) => event === 'notice').map(jsonOf);
const attemptsOf = (reader: Reader) => noticesOf(reader).map(({ attempt }) => Number(attempt ?? 0));
const beyondAttempts = (reader: Reader) =>
  reader.waitFor(() => attemptsOf(reader).some((attempt) => attempt >= BEYOND_ATTEMPTS), 'more attempts than counted', {
    timeoutMs: 60_000,
  });

async function follow(model = MODEL): Promise<Reader & { readonly id: string }> {
  const { download_id: id } = await startDownload(fleet.hive.url, model);
  return Object.assign(await readStream(`${fleet.hive.url}/v2/downloads/${id}/stream`), { id });
}

async function expectRightFile(reader: Reader): Promise<void> {
  const end = (await reader.toEnd()).at(-1);
  expect(end?.event).toBe('complete');
  expect((await readFile(String(jsonOf(end)['path']))).equals(generateBytes({ size: SIZE, seed: 3 }))).toBe(true);
}

describe('an outage', () => {
  it('[B1] in the middle of a download is waited out, and notices say when the next try is', async () => {
    fleet.hub.throttle(1024 * 1024);
    const reader = await follow();
    await reader.waitFor(
      () => reader.events.some((event) => event.event === 'progress' && Number(jsonOf(event)['bytes']) > 100_000),
      'some bytes',
      { timeoutMs: 60_000 },
    );
    await fleet.hub.pause();
    await beyondAttempts(reader);
    const late = noticesOf(reader).find(({ attempt }) => Number(attempt) >= BEYOND_ATTEMPTS);
    expect(late).toMatchObject({ next_retry_at: expect.any(String) });
    expect(late).not.toHaveProperty('max_attempts');
    fleet.hub.throttle(null);
    await fleet.hub.resume();
    await expectRightFile(reader);
    expect((await api('GET', `${fleet.hive.url}/v2/downloads/${reader.id}`)).body).toMatchObject({ bytes_wasted: 0 });
  });

  it.each([429, 500, 502, 503, 504])('[B1] of the CDN with %i, eight times in a row, is waited out', async (status) => {
    fleet.hub.fault({ kind: 'status', status, times: 8 });
    await expectRightFile(await follow());
  });

  it.each([429, 503])('[B1] of the hub with %i, eight times in a row, is waited out', async (status) => {
    fleet.hub.fault({ server: 'hub', kind: 'status', status, times: 8 });
    await expectRightFile(await follow());
  });

  it('[B1] of the CDN, whose connections are dropped eight times in a row, is waited out', async () => {
    fleet.hub.fault({ kind: 'drop', times: 8 });
    await expectRightFile(await follow());
  });

  it('[B1] that is there before the first request of a hub model is waited out', async () => {
    await fleet.hub.pause();
    const reader = await follow();
    await beyondAttempts(reader);
    await fleet.hub.resume();
    await expectRightFile(reader);
  });

  it('[B1] that is there when a hive starts again ends none of its downloads', async () => {
    fleet.hub.throttle(1024 * 1024);
    const before = await follow();
    await before.waitFor(
      () => before.events.some((event) => event.event === 'progress' && Number(jsonOf(event)['bytes']) > 100_000),
      'some bytes',
      { timeoutMs: 60_000 },
    );
    await fleet.hive.program.kill();
    await fleet.hub.pause();
    const again = await fleet.restart(fleet.hive);
    const reader = await readStream(`${again.url}/v2/downloads/${before.id}/stream`);
    await beyondAttempts(reader);
    fleet.hub.throttle(null);
    await fleet.hub.resume();
    await expectRightFile(reader);
  });
});

describe('no outage', () => {
  it.each([
    ['a host that does not exist', 'http://nothing.invalid/model.gguf'],
    ['a port of a URL at which nobody listens', 'http://127.0.0.1:9/model.gguf'],
  ])('[B1] %s fails soon, with SOURCE_UNAVAILABLE', async (_what, model) => {
    const reader = await follow(model);
    expect(jsonOf((await reader.toEnd()).at(-1))).toMatchObject({ code: 'SOURCE_UNAVAILABLE', retryable: true });
    expect(Math.max(...attemptsOf(reader))).toBeLessThan(BEYOND_ATTEMPTS);
  });

  it('[B1] a file that is gone fails immediately', async () => {
    fleet.hub.fault({ kind: 'status', status: 404, times: 8 });
    const reader = await follow();
    expect(jsonOf((await reader.toEnd()).at(-1))).toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});

describe('RBEE_HIVE_RETRY_WINDOW', () => {
  it('[B1] of 0 leaves the attempts to decide', async () => {
    await fleet.addHive('hive-b', { RBEE_HIVE_RETRY_WINDOW: '0s' });
    fleet.hub.fault({ kind: 'status', status: 503, times: 100 });
    const hive = fleet.hives[1];
    const { download_id } = await startDownload(String(hive?.url), MODEL);
    const reader = await readStream(`${hive?.url}/v2/downloads/${download_id}/stream`);
    expect(jsonOf((await reader.toEnd()).at(-1))).toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(Math.max(...attemptsOf(reader))).toBeLessThan(BEYOND_ATTEMPTS);
  });

  it('[B1] is among the settings of the hive', async () => {
    expect((await api('GET', `${fleet.hive.url}/v1/info`)).body).toMatchObject({
      settings: { retry_window: 900 },
    });
  });
});
