import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { sentByCdn } from './support/sent-bytes.ts';
import { jsonOf, readStream, spoken } from './support/sse.ts';

// Goal: a cancel really stops. Method: the hub reports when its sockets are closed and what it has sent; the streams are
// read to their end, so a heartbeat after the cancel would show. Failure shows as a body in flight or a line too many.

const SIZE = 64 * 1024 * 1024;
const BYTES_PER_SECOND = 4 * 1024 * 1024;
const MODEL = 'hf:org/big::file=big.gguf';

let fleet: Fleet;
let commit: string;
beforeEach(async () => {
  fleet = await startFleet();
  ({ commit } = fleet.hub.addRepo({ id: 'org/big', files: { 'big.gguf': { size: SIZE, seed: 7 } } }));
  fleet.hub.throttle(BYTES_PER_SECOND);
});
afterEach(() => fleet.close());

/** A download with bytes flowing and heartbeats coming. */
async function flowing(daemonUrl: string) {
  const started = await startDownload(daemonUrl, MODEL);
  const version = daemonUrl === fleet.queen.url ? 'v1' : 'v2';
  const job = await readStream(`${daemonUrl}/v1/jobs/${started.job_id}/stream`);
  const download = await readStream(`${daemonUrl}/${version}/downloads/${started.download_id}/stream`);
  await job.waitFor(() => spoken(job.events).some((line) => /Still downloading/.test(line)), 'a heartbeat');
  await download.waitFor(() => download.events.some((event) => Number(jsonOf(event)['bytes']) > 0), 'bytes');
  return { ...started, job, download };
}

function filesOfStore(): Promise<string[]> {
  return readdir(join(fleet.hive.modelsDir, 'models--org--big', 'blobs'));
}

describe('DELETE /v1/jobs/:id on the queen while bytes flow', () => {
  it('closes the sockets at the hub, ends both streams, and returns what was kept', async () => {
    const { job_id, download_id, job, download } = await flowing(fleet.queen.url);
    const receipt = await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`);
    // The receipt comes when the download has stopped: only the close itself may still be on its way to the hub.
    const sentBefore = sentByCdn(fleet.hub);
    await fleet.hub.waitFor(() => fleet.hub.inFlight('cdn') === 0, 'the sockets to close');
    expect(sentByCdn(fleet.hub) - sentBefore).toBeLessThan(BYTES_PER_SECOND / 4);
    expect(fleet.hub.requests.some(({ server, aborted }) => server === 'cdn' && aborted)).toBe(true);
    expect(sentByCdn(fleet.hub)).toBeLessThan(SIZE);

    expect(receipt.status).toBe(200);
    expect(receipt.body).toMatchObject({
      job_id,
      status: 'cancelled',
      downloads: [{ download_id, hive_id: 'hive-a', state: 'stopped', partial: 'kept' }],
    });
    const lines = spoken(await job.toEnd());
    expect(lines.at(-1)).toBe('[CANCELLED]');
    expect(lines.at(-2)).toMatch(/Cancelled: .* kept on disk/);
    const events = await download.toEnd();
    expect(events.at(-1)?.event).toBe('cancelled');
    const [kept] = receipt.body['downloads'] as { bytes: number }[];
    expect(jsonOf(events.at(-1))).toMatchObject({ partial: 'kept', bytes: kept?.bytes, total: SIZE });
    expect(kept?.bytes).toBeGreaterThan(0);
    expect((await filesOfStore()).every((name) => /\.rbee-[a-z-]+$/.test(name))).toBe(true);
  });

  it('returns 200 again, with the final state', async () => {
    const { job_id, download_id } = await flowing(fleet.queen.url);
    await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`);
    const again = await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`);
    expect(again).toMatchObject({
      status: 200,
      body: { job_id, status: 'cancelled', downloads: [{ download_id, state: 'ended', partial: 'kept' }] },
    });
    const list = await api('GET', `${fleet.queen.url}/v1/jobs`);
    expect(list.body['jobs']).toMatchObject([{ job_id, state: 'cancelled' }]);
  });

  it('with ?partial=discard leaves nothing on disk', async () => {
    const { job_id } = await flowing(fleet.queen.url);
    const receipt = await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}?partial=discard`);
    expect(receipt.body['downloads']).toMatchObject([{ state: 'stopped', partial: 'discarded' }]);
    expect(await filesOfStore()).toEqual([]);
  });

  it('with ?partial=discard leaves the blob of another download, which continues from there', async () => {
    const { job_id, download_id } = await flowing(fleet.queen.url);
    // The same file by another ref: its own download, which watches the transfer of the first.
    const other = await startDownload(fleet.queen.url, MODEL.replace('::', `@${commit}::`));
    const events = await readStream(`${fleet.queen.url}/v1/downloads/${other.download_id}/stream`);
    expect(other.download_id).not.toBe(download_id);
    await events.waitFor(() => events.events.some((event) => Number(jsonOf(event)['bytes']) > 0), 'bytes of the other');
    await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}?partial=discard`);
    fleet.hub.throttle(null);
    expect((await events.toEnd()).at(-1)?.event).toBe('complete');
    const { body } = await api('GET', `${fleet.queen.url}/v1/downloads/${other.download_id}`);
    expect(body).toMatchObject({ bytes: SIZE, bytes_wasted: 0 });
  });

  it('keeps bytes from which the next download continues', async () => {
    const { job_id } = await flowing(fleet.queen.url);
    const receipt = await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`);
    const [kept] = receipt.body['downloads'] as { bytes: number }[];
    fleet.hub.throttle(null);
    const { download_id } = await startDownload(fleet.queen.url, MODEL);
    const events = await (await readStream(`${fleet.queen.url}/v1/downloads/${download_id}/stream`)).toEnd();
    expect(events.at(-1)?.event).toBe('complete');
    const { body } = await api('GET', `${fleet.queen.url}/v1/downloads/${download_id}`);
    expect(body['bytes_reused']).toBe(kept?.bytes);
    expect(fleet.hub.requests.findLast(({ server }) => server === 'cdn')?.range).not.toBeNull();
  });
});

describe('an early cancel', () => {
  it('takes a queued download out of the queue', async () => {
    fleet.hub.addRepo({ id: 'org/other', files: { 'other.gguf': { size: SIZE, seed: 8 } } });
    const hive = await fleet.addHive('hive-b', { RBEE_HIVE_MAX_CONCURRENT_DOWNLOADS: '1' });
    await startDownload(hive.url, MODEL);
    const waiting = await startDownload(hive.url, 'hf:org/other::file=other.gguf');
    const { body } = await api('GET', `${hive.url}/v2/downloads/${waiting.download_id}`);
    expect(body['status']).toBe('queued');
    const receipt = await api('DELETE', `${hive.url}/v1/jobs/${waiting.job_id}`);
    expect(receipt.body).toMatchObject({ status: 'cancelled', downloads: [{ state: 'stopped', bytes: 0 }] });
    expect(fleet.hub.requests.some(({ url }) => url.includes('org/other'))).toBe(false);
  });

  it('aborts a request that the hub does not answer', async () => {
    fleet.hub.fault({ server: 'hub', kind: 'no_headers' });
    const { job_id } = await startDownload(fleet.queen.url, MODEL);
    await fleet.hub.waitFor(() => fleet.hub.inFlight('hub') === 1, 'the request');
    const receipt = await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`);
    expect(receipt.body).toMatchObject({ status: 'cancelled' });
    await fleet.hub.waitFor(() => fleet.hub.inFlight('hub') === 0, 'the request to be aborted');
  });
});

describe('Ctrl+C in the keeper', () => {
  it('cancels the job it started, shows what was kept, and exits with 130', async () => {
    const keeper = fleet.keeperInTerminal(['model', 'download', MODEL], { cols: 100 });
    await fleet.hub.waitFor(() => fleet.hub.inFlight('cdn') > 0, 'the transfer');
    await keeper.waitFor(() => /[1-9][\d.]*\s?%|0\.[1-9]\s?%/.test(keeper.screen()), 'bytes to keep');
    keeper.write('\u0003');
    expect(await keeper.exited).toMatchObject({ exitCode: 130 });
    await fleet.hub.waitFor(() => fleet.hub.inFlight('cdn') === 0, 'the sockets to close');
    expect(keeper.history()).toMatch(/kept/);
  });

  it('only detaches from a download that it watches', async () => {
    const { download_id } = await flowing(fleet.queen.url);
    const keeper = fleet.keeperInTerminal(['download', 'watch', download_id], { cols: 100 });
    await keeper.waitFor(() => /%/.test(keeper.screen()), 'a bar');
    keeper.write('\u0003');
    expect(await keeper.exited).toMatchObject({ exitCode: 130 });
    expect(fleet.hub.inFlight('cdn')).toBeGreaterThan(0);
    const { body } = await api('GET', `${fleet.queen.url}/v1/downloads/${download_id}`);
    expect(body['status']).toBe('downloading');
  });
});
