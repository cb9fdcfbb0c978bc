import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateBytes } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';

/*
 * Goal: the small files of a model do not wait for each other or for the long one, and all of them share the connections of the download.
 * Method: a hub that holds every body where it is, so that what is under way at once can be counted. A file that is fetched after another
 * one would never be asked for.
 */
const CONNECTIONS = 4;
const LONG = { size: 40_000_000, seed: 1 };
const SMALL = 6;
const small = (index: number) => ({ size: 300_000, seed: 10 + index });
const smallNames = Array.from({ length: SMALL }, (_, index) => `part-${index}.bin`);
const MODEL = 'hf:org/many::include=*';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({ hiveEnv: { RBEE_HIVE_MAX_CONNECTIONS: `${CONNECTIONS}` } });
  const parts = Object.fromEntries(smallNames.map((name, index) => [name, small(index)]));
  fleet.hub.addRepo({ id: 'org/many', lfsFrom: 0, files: { 'long.bin': LONG, ...parts } });
});
afterEach(() => fleet.close());

const bodiesAsked = () => fleet.hub.requests.filter(({ server, method }) => server === 'cdn' && method === 'GET');

async function started() {
  const { job_id, download_id } = await startDownload(fleet.queen.url, MODEL);
  const reader = await readStream(`${fleet.queen.url}/v1/downloads/${download_id}/stream`);
  const progress = () => reader.events.filter(({ event }) => event === 'progress').map(jsonOf);
  return { job_id, reader, progress };
}

async function expectAllRight(path: string): Promise<void> {
  expect((await readFile(join(path, 'long.bin'))).equals(generateBytes(LONG))).toBe(true);
  for (const [index, name] of smallNames.entries()) {
    expect((await readFile(join(path, name))).equals(generateBytes(small(index)))).toBe(true);
  }
}

describe('a model of one long file and many small ones', () => {
  it('is fetched over all connections of the download concurrently, and no more', async () => {
    fleet.hub.throttle(0);
    const { reader, progress } = await started();
    await fleet.hub.waitFor(() => fleet.hub.inFlight('cdn') === CONNECTIONS, 'a body on each connection');
    const names = () => (progress().at(-1)?.['files'] as { name: string }[] | undefined)?.map(({ name }) => name) ?? [];
    await reader.waitFor(() => names().length === CONNECTIONS, 'the files under way');
    await reader.waitFor(() => progress().at(-1)?.['connections'] === CONNECTIONS, 'all connections told');
    expect(names().toSorted()).toEqual(['long.bin', ...smallNames.slice(0, CONNECTIONS - 1)]);
    expect(bodiesAsked()).toHaveLength(CONNECTIONS);
    fleet.hub.throttle(null);
    const events = await reader.toEnd();
    const end = jsonOf(events.at(-1));
    expect(events.at(-1)?.event).toBe('complete');
    expect(end).toMatchObject({ bytes: LONG.size + SMALL * small(0).size, sha256: null });
    await expectAllRight(String(end['path']));
    const told = progress();
    expect(Math.max(...told.map(({ connections }) => Number(connections)))).toBe(CONNECTIONS);
    const bytes = told.map((each) => Number(each['bytes']));
    expect(bytes).toEqual(bytes.toSorted((one, other) => one - other));
  });

  it('stops all of them at a cancel, keeps the bytes on disk, and resumes from there', async () => {
    // Enough of each body arrives to be written, and no file is completed.
    fleet.hub.fault({ kind: 'stall', afterBytes: 200_000, times: CONNECTIONS, server: 'cdn' });
    const { job_id, reader, progress } = await started();
    const total = 200_000 * CONNECTIONS;
    await reader.waitFor(() => Number(progress().at(-1)?.['bytes'] ?? 0) === total, 'what came of each');
    const { body } = await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`);
    expect(body).toMatchObject({ downloads: [{ state: 'stopped', partial: 'kept', bytes: total }] });
    expect((await reader.toEnd()).at(-1)?.event).toBe('cancelled');
    await fleet.hub.waitFor(() => fleet.hub.inFlight('cdn') === 0, 'every connection closed');

    const again = await started();
    const end = (await again.reader.toEnd()).at(-1);
    expect(end?.event).toBe('complete');
    expect(again.progress().at(-1)).toMatchObject({ bytes_reused: total, bytes_wasted: 0 });
    await expectAllRight(String(jsonOf(end)['path']));
  });

  it('ends with the error of one file, and stops all others', async () => {
    fleet.hub.throttle(0);
    // Twice, since a refused address is renewed once.
    fleet.hub.fault({ kind: 'status', status: 404, path: 'part-2', server: 'cdn', times: 2 });
    const { reader } = await started();
    const end = (await reader.toEnd()).at(-1);
    expect(end?.event).toBe('error');
    expect(jsonOf(end)).toMatchObject({ code: 'MODEL_NOT_FOUND', retryable: false });
    await fleet.hub.waitFor(() => fleet.hub.inFlight('cdn') === 0, 'every connection closed');
  });
});
