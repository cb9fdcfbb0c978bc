import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, type Reader, readStream } from './support/sse.ts';

// Goal: a limit holds on a running transfer and can be changed while it runs. Method: bytes and times of the stream's own
// events. A limit must hold at any load, so it is an upper bound; that a higher one takes effect is awaited, since a busy
// machine may be slower for a while. The exact figures are left to the limiter's own tests.

const SIZE = 200 * 1024 * 1024;
const MB = 1_000_000;

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({ hiveEnv: { RBEE_HIVE_MAX_BANDWIDTH: '2MB/s' } });
  fleet.hub.addRepo({ id: 'org/big', files: { 'a.gguf': { size: SIZE, seed: 1 }, 'b.gguf': { size: SIZE, seed: 2 } } });
});
afterEach(() => fleet.close());

async function start(file: string, more = {}): Promise<{ download_id: string; reader: Reader }> {
  const { download_id } = await startDownload(fleet.hive.url, `hf:org/big::file=${file}`, more);
  return { download_id, reader: await readStream(`${fleet.hive.url}/v2/downloads/${download_id}/stream`) };
}

interface Point {
  readonly bytes: number;
  readonly at: number;
}

/** The progress of a download since its event number `from`. */
function pointsOf(reader: Reader, from: number): Point[] {
  return reader.events.slice(from).flatMap((event) => {
    const { status, bytes, elapsed_secs } = jsonOf(event);
    return status === 'downloading' ? [{ bytes: Number(bytes), at: Number(elapsed_secs) }] : [];
  });
}

/** Bytes per second over the last points that span at least `seconds`; null while there are too few. */
function lastSpeed(points: readonly Point[], seconds: number): number | null {
  const last = points.at(-1);
  if (last === undefined) return null;
  const first = points.findLast(({ at }) => last.at - at >= seconds);
  return first === undefined ? null : (last.bytes - first.bytes) / (last.at - first.at);
}

/** Bytes per second of the next `seconds` of progress. */
async function speedOver(reader: Reader, seconds: number): Promise<number> {
  const from = reader.events.length;
  const speed = () => lastSpeed(pointsOf(reader, from), seconds);
  await reader.waitFor(() => speed() !== null, `${seconds} s of progress`, { timeoutMs: 30_000 });
  return speed() ?? 0;
}

/** Waits until a second of progress is faster than this. */
async function fasterThan(reader: Reader, bytesPerSecond: number): Promise<void> {
  const from = reader.events.length;
  const isFaster = () => (lastSpeed(pointsOf(reader, from), 1) ?? 0) > bytesPerSecond;
  await reader.waitFor(isFaster, `more than ${bytesPerSecond} bytes per second`, { timeoutMs: 30_000 });
}

describe('the bandwidth of a hive', () => {
  it('holds, can be changed, and is shared by its downloads', async () => {
    const { reader } = await start('a.gguf');
    expect(await speedOver(reader, 2)).toBeLessThan(2.6 * MB);
    expect(await api('PATCH', `${fleet.hive.url}/v2/settings`, { max_bandwidth: '6MB/s' })).toMatchObject({
      status: 200,
      body: { max_bandwidth: 6 * MB, max_concurrent_downloads: 3 },
    });
    expect((await api('GET', `${fleet.hive.url}/v1/info`)).body).toMatchObject({ settings: { max_bandwidth: 6 * MB } });
    await fasterThan(reader, 4 * MB);
    const other = await start('b.gguf');
    const [one, two] = await Promise.all([speedOver(reader, 3), speedOver(other.reader, 3)]);
    expect(one + two).toBeLessThan(7.5 * MB);
    const ratio = () => {
      const [mine, others] = [reader, other.reader].map((each) => lastSpeed(pointsOf(each, 0), 2) ?? 0);
      return (mine ?? 0) / (others || 1);
    };
    const isFair = () => ratio() > 0.6 && ratio() < 1.7;
    await other.reader.waitFor(isFair, 'equal shares of the bandwidth', { timeoutMs: 30_000 });
  });

  it('is removed by 0', async () => {
    const { reader } = await start('a.gguf');
    await api('PATCH', `${fleet.hive.url}/v2/settings`, { max_bandwidth: 0 });
    expect((await reader.toEnd()).at(-1)?.event).toBe('complete');
    expect((await api('GET', `${fleet.hive.url}/v2/settings`)).body).toMatchObject({ max_bandwidth: null });
  });
});

describe('the bandwidth of a download', () => {
  it('comes with its request, and can be changed while it runs, through the queen too', async () => {
    await api('PATCH', `${fleet.hive.url}/v2/settings`, { max_bandwidth: 0 });
    const { download_id, reader } = await start('a.gguf', { max_bandwidth: '1MB/s' });
    expect(await speedOver(reader, 2)).toBeLessThan(1.4 * MB);
    const patched = await api('PATCH', `${fleet.queen.url}/v1/downloads/${download_id}`, { max_bandwidth: '4MB/s' });
    expect(patched).toMatchObject({ status: 200, body: { max_bandwidth: 4 * MB } });
    await fasterThan(reader, 2.6 * MB);
  });

  it('is refused if it is invalid', async () => {
    const body = { operation: 'model_download', model: 'hf:org/big::file=a.gguf', max_bandwidth: 'fast' };
    expect(await api('POST', `${fleet.hive.url}/v1/jobs`, body)).toMatchObject({
      status: 400,
      body: { error: { code: 'REQUEST_INVALID', message: expect.stringMatching(/max_bandwidth/) } },
    });
  });
});
