import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, type Reader, readStream } from './support/sse.ts';

// Goal: a limit holds on a running transfer and can be changed while it runs. Method: bytes and times of the stream's
// own events; the bounds are wide, since the exact figures are the limiter's own tests' business.

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

/** Bytes per second between two of the events that are to come, at least `seconds` apart. */
async function speedOver(reader: Reader, seconds: number): Promise<number> {
  const from = reader.events.length;
  const points = () =>
    reader.events.slice(from).flatMap((event) => {
      const { status, bytes, elapsed_secs } = jsonOf(event);
      return status === 'downloading' ? [{ bytes: Number(bytes), at: Number(elapsed_secs) }] : [];
    });
  const span = () => (points().at(-1)?.at ?? 0) - (points()[0]?.at ?? 0);
  await reader.waitFor(() => span() >= seconds, `${seconds} s of progress`, { timeoutMs: 30_000 });
  const [first, last] = [points()[0], points().at(-1)];
  if (!first || !last) throw new Error('no progress');
  return (last.bytes - first.bytes) / (last.at - first.at);
}

describe('the bandwidth of a hive', () => {
  it('holds, is changed within a second, and is shared by its downloads', async () => {
    const { reader } = await start('a.gguf');
    expect(await speedOver(reader, 2)).toBeLessThan(2.6 * MB);
    expect(await api('PATCH', `${fleet.hive.url}/v2/settings`, { max_bandwidth: '6MB/s' })).toMatchObject({
      status: 200,
      body: { max_bandwidth: 6 * MB, max_concurrent_downloads: 3 },
    });
    expect((await api('GET', `${fleet.hive.url}/v1/info`)).body).toMatchObject({ settings: { max_bandwidth: 6 * MB } });
    expect(await speedOver(reader, 2)).toBeGreaterThan(4 * MB);
    const other = await start('b.gguf');
    const [one, two] = await Promise.all([speedOver(reader, 3), speedOver(other.reader, 3)]);
    expect(one + two).toBeLessThan(7.5 * MB);
    expect(one / two).toBeGreaterThan(0.6);
    expect(one / two).toBeLessThan(1.7);
  });

  it('is taken off by 0', async () => {
    const { reader } = await start('a.gguf');
    await api('PATCH', `${fleet.hive.url}/v2/settings`, { max_bandwidth: 0 });
    expect((await reader.toEnd()).at(-1)?.event).toBe('complete');
    expect((await api('GET', `${fleet.hive.url}/v2/settings`)).body).toMatchObject({ max_bandwidth: null });
  });
});

describe('the bandwidth of a download', () => {
  it('is asked for with it, and changed while it runs, through the queen too', async () => {
    await api('PATCH', `${fleet.hive.url}/v2/settings`, { max_bandwidth: 0 });
    const { download_id, reader } = await start('a.gguf', { max_bandwidth: '1MB/s' });
    expect(await speedOver(reader, 2)).toBeLessThan(1.4 * MB);
    const patched = await api('PATCH', `${fleet.queen.url}/v1/downloads/${download_id}`, { max_bandwidth: '4MB/s' });
    expect(patched).toMatchObject({ status: 200, body: { max_bandwidth: 4 * MB } });
    expect(await speedOver(reader, 2)).toBeGreaterThan(2.6 * MB);
  });

  it('that is nonsense is refused', async () => {
    const body = { operation: 'model_download', model: 'hf:org/big::file=a.gguf', max_bandwidth: 'fast' };
    expect(await api('POST', `${fleet.hive.url}/v1/jobs`, body)).toMatchObject({
      status: 400,
      body: { error: { code: 'REQUEST_INVALID', message: expect.stringMatching(/max_bandwidth/) } },
    });
  });
});
