import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { generateBytes, type TestTerminal } from '@rbee/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, type FleetOptions, startFleet } from './support/fleet.ts';
import { jsonOf, type Reader, readStream, terminalsOf } from './support/sse.ts';

// Goal: an outage that ends costs nobody a hand. Method: the servers of the hub stop listening and reset their connections, or
// refuse with 429 or 503, for longer than the attempts last; then they come back at the same ports. In short outages the attempts
// are few and quick, and the outage lasts until more have failed. With RBEE_LONG_OUTAGES=1 the settings are the default ones and
// the outages last as long as people have seen them. Failure shows as an end of the download other than `complete`.

const SIZE = 10 * 1024 * 1024;
const SEED = 7;
const MODEL = 'hf:org/model::file=model.gguf';
const ATTEMPTS = 2;
/** Failures in a row of which the attempts alone would have stood one. */
const ENOUGH = ATTEMPTS + 3;
const SHORT = {
  RBEE_HIVE_RETRY_ATTEMPTS: String(ATTEMPTS),
  RBEE_HIVE_RETRY_BASE_DELAY: '50ms',
  RBEE_HIVE_RETRY_WINDOW: '1h',
};
const isLong = process.env['RBEE_LONG_OUTAGES'] === '1';
const longTimeoutMs = 900_000;

let fleet: Fleet;
let terminal: TestTerminal | undefined;
afterEach(async () => {
  await terminal?.kill();
  terminal = undefined;
  await fleet.close();
});

async function start(options: FleetOptions = {}): Promise<void> {
  fleet = await startFleet(options);
  fleet.hub.addRepo({ id: 'org/model', files: { 'model.gguf': { size: SIZE, seed: SEED } } });
}

/** A download of which some bytes have arrived and the rest is held back. */
async function startHalf(): Promise<{ id: string; reader: Reader }> {
  fleet.hub.throttle(1024 * 1024);
  const { download_id: id } = await startDownload(fleet.queen.url, MODEL);
  const reader = await readStream(`${fleet.queen.url}/v1/downloads/${id}/stream`);
  const hasBytes = () => reader.events.some((event) => event.event === 'progress' && bytesOf(jsonOf(event)) > 0);
  await reader.waitFor(hasBytes, 'the first bytes', { timeoutMs: 60_000 });
  return { id, reader };
}

const bytesOf = (data: Record<string, unknown>): number => Number(data['bytes']);
const triesIn = (reader: Reader) =>
  reader.events
    .filter(({ event }) => event === 'notice')
    .map(jsonOf)
    .filter(({ code }) => code === 'RETRY' || code === 'THROTTLE');

/** More tries have failed than the attempts allow. */
async function outlastAttempts(reader: Reader): Promise<void> {
  await reader.waitFor(() => triesIn(reader).length >= ENOUGH || reader.ended, 'more failures than attempts', {
    timeoutMs: 60_000,
  });
  expect(terminalsOf(reader.events)).toEqual([]);
}

async function expectComplete(id: string, reader: Reader, timeoutMs = 90_000): Promise<void> {
  await reader.waitFor(() => reader.ended, 'the end of the download', { timeoutMs });
  expect(reader.events.at(-1)).toMatchObject({ event: 'complete' });
  const { body } = await api('GET', `${fleet.queen.url}/v1/downloads/${id}`);
  expect(body).toMatchObject({ status: 'complete', bytes: SIZE });
  expect((await readFile(String(body['path']))).equals(generateBytes({ size: SIZE, seed: SEED }))).toBe(true);
}

/** Each notice says what is wrong, and when the next try is. */
function expectExplained(reader: Reader): void {
  for (const notice of triesIn(reader)) {
    expect(notice).toMatchObject({ message: expect.stringMatching(/\w/), attempt: expect.any(Number) });
    expect(Date.parse(String(notice['next_retry_at']))).toBeGreaterThan(0);
  }
}

describe('a download whose servers go away', () => {
  it.each<[string, readonly ('hub' | 'cdn')[]]>([
    ['the CDN', ['cdn']],
    ['the hub and its CDN', ['hub', 'cdn']],
  ])('[B1] resumes by itself when they are back: %s', async (_, servers) => {
    await start({ hiveEnv: SHORT });
    const { id, reader } = await startHalf();
    await fleet.hub.pause(...servers);
    await outlastAttempts(reader);
    fleet.hub.throttle(null);
    await fleet.hub.resume();
    await expectComplete(id, reader);
    expectExplained(reader);
    // The bytes of before the outage are not fetched twice.
    const again = fleet.hub.requests.filter(({ server, method }) => server === 'cdn' && method === 'GET').slice(1);
    expect(again.map(({ range }) => range)).not.toContain(null);
  });

  it('[B1] says on the bar when the next try is', async () => {
    await start({ hiveEnv: SHORT });
    fleet.hub.throttle(1024 * 1024);
    const bars = fleet.keeperInTerminal(['model', 'download', MODEL], { cols: 120 });
    terminal = bars;
    await bars.waitFor(() => /[1-9][\d.]*%/.test(bars.screen()), 'bytes', { timeoutMs: 60_000 });
    await fleet.hub.pause();
    await bars.waitFor(() => /attempt \d+ in \d+s/.test(bars.screen()), 'an attempt beyond the last', {
      timeoutMs: 60_000,
    });
    fleet.hub.throttle(null);
    await fleet.hub.resume();
    expect(await bars.exited).toMatchObject({ exitCode: 0 });
    expect(bars.history()).toMatch(/100\.0% .*done/);
  });

  it('[B1] resumes when its hive was killed and started again before its network', async () => {
    await start({ hiveEnv: SHORT });
    const { id, reader } = await startHalf();
    await fleet.hive.program.kill();
    await fleet.hub.pause();
    await fleet.restart(fleet.hive);
    await outlastAttempts(reader);
    fleet.hub.throttle(null);
    await fleet.hub.resume();
    await expectComplete(id, reader);
  });

  it('[B1] waits for a network that was not there when its hive started', async () => {
    await start({ hiveEnv: SHORT });
    await fleet.hub.pause();
    await fleet.addHive('hive-b');
    const { download_id: id } = await startDownload(fleet.queen.url, MODEL, { hive_id: 'hive-b' });
    const reader = await readStream(`${fleet.queen.url}/v1/downloads/${id}/stream`);
    await outlastAttempts(reader);
    await fleet.hub.resume();
    await expectComplete(id, reader);
    expectExplained(reader);
  });

  it('[B1] fails once the attempts and the window are used up', async () => {
    await start({ hiveEnv: { ...SHORT, RBEE_HIVE_RETRY_WINDOW: '1s' } });
    const { reader } = await startHalf();
    await fleet.hub.pause();
    await reader.waitFor(() => reader.ended, 'the end', { timeoutMs: 60_000 });
    expect(terminalsOf(reader.events)).toEqual(['error']);
    expect(jsonOf(reader.events.at(-1))).toMatchObject({ code: 'SOURCE_UNAVAILABLE', retryable: true });
    expect(triesIn(reader).length).toBeGreaterThanOrEqual(ATTEMPTS - 1);
  });
});

describe('a server that refuses for a while', () => {
  it.each([
    ['the CDN', 429, 'cdn'],
    ['the CDN', 503, 'cdn'],
    ['the hub', 429, 'hub'],
    ['the hub', 503, 'hub'],
  ] as const)('[B1] is waited for: %s with %i', async (_, status, server) => {
    await start({ hiveEnv: SHORT });
    fleet.hub.fault({ server, kind: 'status', status, times: Number.MAX_SAFE_INTEGER });
    const { download_id: id } = await startDownload(fleet.queen.url, MODEL);
    const reader = await readStream(`${fleet.queen.url}/v1/downloads/${id}/stream`);
    await outlastAttempts(reader);
    fleet.hub.clearFaults();
    await expectComplete(id, reader);
    expectExplained(reader);
  });
});

// Seen in the field: a router that starts again, an outage of a provider, a CDN that refuses while it is repaired.
describe.skipIf(!isLong)('with default settings', { timeout: longTimeoutMs }, () => {
  it.each([4, 30, 300])('[B1] a network that is away for %i s in mid-download', async (seconds) => {
    await start();
    const { id, reader } = await startHalf();
    await fleet.hub.pause();
    await wait(seconds * 1000);
    fleet.hub.throttle(null);
    await fleet.hub.resume();
    await expectComplete(id, reader, longTimeoutMs);
    expectExplained(reader);
  });

  it('[B1] a hive that starts a minute before its network', async () => {
    await start();
    const { id, reader } = await startHalf();
    await fleet.hive.program.kill();
    await fleet.hub.pause();
    await fleet.restart(fleet.hive);
    await wait(60_000);
    fleet.hub.throttle(null);
    await fleet.hub.resume();
    await expectComplete(id, reader, longTimeoutMs);
  });

  it.each([429, 503])('[B1] a hub and a CDN that answer %i for a minute', async (status) => {
    await start();
    const { id, reader } = await startHalf();
    for (const server of ['hub', 'cdn'] as const)
      fleet.hub.fault({ server, kind: 'status', status, times: Number.MAX_SAFE_INTEGER });
    await fleet.hub.pause('cdn');
    await fleet.hub.resume();
    await wait(60_000);
    fleet.hub.throttle(null);
    fleet.hub.clearFaults();
    await expectComplete(id, reader, longTimeoutMs);
    expectExplained(reader);
  });
});
