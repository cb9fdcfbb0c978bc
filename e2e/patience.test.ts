import { readFile } from 'node:fs/promises';
import { generateBytes } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, type Reader, readStream } from './support/sse.ts';

// Goal: a server that says "later" more often than the hive counts attempts ends no download, and what is no outage fails soon. Method: a
// real hive, a hub with as many faults, and hosts that are not there. Failure shows as another end, or as more attempts.

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
