import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, type Reader, readStream } from './support/sse.ts';

// Goal: a file that its CDN refuses to send as a whole is fetched, and resumed after a crash. Method: the hub generates the bytes
// of 60 GiB as they are requested, and the CDN answers 400 to a GET without Range; the first part is fetched, the hive killed and
// started again. Failure shows as an end of the download, or as bytes that are requested twice.

const GiB = 2 ** 30;
const SIZE = 60 * GiB;
const FETCHED = 0.25 * GiB;
/** What a crash may cost. */
const MAX_LOSS = 64 * 2 ** 20;
const MODEL = 'hf:org/large::file=large.gguf';
const { bavail, bsize } = await statfs(tmpdir());
/** A hive refuses a file that does not fit. */
const hasRoom = bavail * bsize > 1.1 * SIZE;

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
  fleet.hub.addRepo({ id: 'org/large', files: { 'large.gguf': { size: SIZE, seed: 60, hasMadeUpDigests: true } } });
});
afterEach(() => fleet.close());

const bytesIn = (reader: Reader): number =>
  Math.max(
    0,
    ...reader.events.filter(({ event }) => event === 'progress').map((event) => Number(jsonOf(event)['bytes'])),
  );
const bodies = () => fleet.hub.requests.filter(({ server, method }) => server === 'cdn' && method === 'GET');
const startOf = (range: string | null): number => Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1]);

describe.skipIf(!hasRoom)('a file of 60 GiB on a CDN that sends no file as a whole', () => {
  it('[A3] is fetched in ranges, and resumed after a crash', async () => {
    const { download_id: id } = await startDownload(fleet.queen.url, MODEL);
    const reader = await readStream(`${fleet.queen.url}/v1/downloads/${id}/stream`);
    await reader.waitFor(() => bytesIn(reader) >= FETCHED || reader.ended, 'the first part', { timeoutMs: 100_000 });
    expect(reader.ended).toBe(false);
    expect(bodies().filter(({ range }) => range === null)).toEqual([]);

    const reported = bytesIn(reader);
    await fleet.hive.program.kill();
    await fleet.hub.waitFor(() => fleet.hub.inFlight('cdn') === 0, 'the connections to end');
    fleet.hub.clearRequests();
    fleet.hub.throttle(0);
    await fleet.restart(fleet.hive);
    await fleet.hub.waitFor(() => fleet.hub.inFlight('cdn') > 0, 'the download to resume', { timeoutMs: 60_000 });
    const { body } = await api('GET', `${fleet.queen.url}/v1/downloads/${id}`);
    expect(body).toMatchObject({ status: 'downloading', total: SIZE });
    expect(bodies().filter(({ range }) => range === null)).toEqual([]);
    expect(Math.min(...bodies().map(({ range }) => startOf(range)))).toBeGreaterThan(0);
    expect(Number(body['bytes'])).toBeGreaterThanOrEqual(reported - MAX_LOSS);
    await api('DELETE', `${fleet.queen.url}/v1/jobs/${String(body['job_id'])}?partial=discard`);
  });
});
