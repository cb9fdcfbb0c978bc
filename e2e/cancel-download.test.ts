import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, readStream, spoken, terminalsOf } from './support/sse.ts';

// Goal: the cancel of a download cancels it, however many requests wait for it, on both levels and in the keeper. Method: several
// jobs of one download, and a hub that reports its open sockets. Failure shows as a socket that stays open, or a job that continues.

const SIZE = 64 * 1024 * 1024;
const MODEL = 'hf:org/big::file=big.gguf';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
  fleet.hub.addRepo({ id: 'org/big', files: { 'big.gguf': { size: SIZE, seed: 7 } } });
  fleet.hub.throttle(4 * 1024 * 1024);
});
afterEach(() => fleet.close());

const versionAt = (url: string) => (url === fleet.queen.url ? 'v1' : 'v2');

/** A download that two jobs wait for, with bytes flowing. */
async function shared(url: string) {
  const first = await startDownload(url, MODEL);
  const second = await startDownload(url, MODEL);
  expect(second.download_id).toBe(first.download_id);
  const stream = await readStream(`${url}/${versionAt(url)}/downloads/${first.download_id}/stream`);
  await stream.waitFor(() => stream.events.some((event) => Number(jsonOf(event)['bytes']) > 0), 'bytes');
  return { id: first.download_id, jobs: [first.job_id, second.job_id], stream };
}

const cancel = (url: string, id: string, query = '') =>
  api('POST', `${url}/${versionAt(url)}/downloads/${id}/cancel${query}`);

describe('POST …/downloads/:id/cancel', () => {
  it.each(['hive', 'queen'] as const)(
    '[K1] at the %s cancels every job that waits for the download, and says how many',
    async (level) => {
      const { url } = fleet[level];
      const { id, jobs, stream } = await shared(url);
      const answer = await cancel(url, id);
      expect(answer).toMatchObject({
        status: 200,
        body: {
          download_id: id,
          status: 'cancelled',
          jobs: 2,
          downloads: [{ download_id: id, hive_id: 'hive-a', state: 'stopped', partial: 'kept' }],
        },
      });
      await fleet.hub.waitFor(() => fleet.hub.inFlight('cdn') === 0, 'the sockets to close');
      expect(terminalsOf(await stream.toEnd())).toEqual(['cancelled']);
      for (const job of jobs) {
        const lines = spoken(await (await readStream(`${url}/v1/jobs/${job}/stream`)).toEnd());
        expect(lines.at(-1)).toBe('[CANCELLED]');
      }
    },
  );

  it('[K1] at the queen cancels jobs that were started at the hive too', async () => {
    const direct = await startDownload(fleet.hive.url, MODEL);
    const { id } = await shared(fleet.queen.url);
    expect(direct.download_id).toBe(id);
    expect((await cancel(fleet.queen.url, id)).body).toMatchObject({ status: 'cancelled', jobs: 3 });
    const { body } = await api('GET', `${fleet.hive.url}/v1/jobs/${direct.job_id}`);
    expect(body).toMatchObject({ state: 'cancelled' });
  });

  it('[K1] answers 200 again, with the state that the download has', async () => {
    const { id } = await shared(fleet.queen.url);
    await cancel(fleet.queen.url, id);
    expect(await cancel(fleet.queen.url, id)).toMatchObject({
      status: 200,
      body: { status: 'cancelled', jobs: 0, downloads: [{ state: 'ended', partial: 'kept' }] },
    });
  });

  it('[K1] of a complete download changes nothing', async () => {
    const { id, stream } = await shared(fleet.hive.url);
    fleet.hub.throttle(null);
    await stream.toEnd();
    expect((await cancel(fleet.hive.url, id, '?partial=discard')).body).toMatchObject({
      status: 'complete',
      jobs: 0,
      downloads: [{ state: 'ended', partial: null, bytes: SIZE }],
    });
    expect((await api('GET', `${fleet.hive.url}/v2/models`)).body['models']).toHaveLength(1);
  });

  it('[K1] cancels a queued and a paused download', async () => {
    const hive = await fleet.addHive('hive-b', { RBEE_HIVE_MAX_CONCURRENT_DOWNLOADS: '1' });
    fleet.hub.addRepo({ id: 'org/other', files: { 'other.gguf': { size: SIZE, seed: 8 } } });
    const running = await startDownload(hive.url, MODEL);
    const queued = await startDownload(hive.url, 'hf:org/other::file=other.gguf');
    expect((await cancel(hive.url, queued.download_id)).body).toMatchObject({ status: 'cancelled', jobs: 1 });
    await api('POST', `${hive.url}/v2/downloads/${running.download_id}/pause`);
    expect((await cancel(hive.url, running.download_id)).body).toMatchObject({ status: 'cancelled', jobs: 1 });
  });

  it('[K1] cancels requests that came at the same moment, which share one download', async () => {
    const started = await Promise.all(Array.from({ length: 10 }, () => startDownload(fleet.hive.url, MODEL)));
    expect(new Set(started.map(({ download_id }) => download_id)).size).toBe(1);
    const [{ download_id } = { download_id: '' }] = started;
    expect((await cancel(fleet.hive.url, download_id)).body).toMatchObject({ status: 'cancelled', jobs: 10 });
  });

  it('[K3] with discard removes what an ended one left on disk, also after a restart of the hive', async () => {
    const blobs = () => readdir(join(fleet.hive.modelsDir, 'models--org--big', 'blobs'));
    for (const restarts of [false, true]) {
      const { id } = await shared(fleet.hive.url);
      const [kept] = (await cancel(fleet.hive.url, id)).body['downloads'] as { bytes: number }[];
      expect(kept?.bytes).toBeGreaterThan(0);
      expect(await blobs()).not.toEqual([]);
      let url = fleet.hive.url;
      if (restarts) {
        await fleet.hive.program.stop();
        ({ url } = await fleet.restart(fleet.hive));
      }
      const discard = () => api('POST', `${url}/v2/downloads/${id}/cancel?partial=discard`);
      for (const answer of [await discard(), await discard()]) {
        expect(answer.body).toMatchObject({
          ...{ status: 'cancelled', jobs: 0, downloads: [{ state: 'ended', partial: 'discarded', bytes: 0 }] },
        });
      }
      expect(await blobs()).toEqual([]);
      const { body } = await api('GET', `${url}/v2/downloads/${id}`);
      expect(body['bytes_wasted']).toBeGreaterThanOrEqual(kept?.bytes ?? 0);
    }
  });

  it('[I4] with discard tells as kept what another download still fetches', async () => {
    const { id } = await shared(fleet.hive.url);
    const { body } = await api('GET', `${fleet.hive.url}/v2/downloads/${id}`);
    // The same file by another ref is another download, which watches the transfer of the first.
    const other = await startDownload(fleet.hive.url, 'hf:org/big::include=*.gguf');
    const stream = await readStream(`${fleet.hive.url}/v2/downloads/${other.download_id}/stream`);
    await stream.waitFor(() => stream.events.some((event) => Number(jsonOf(event)['bytes']) > 0), 'its bytes');
    const narration = await readStream(`${fleet.hive.url}/v1/jobs/${String(body['job_id'])}/stream`);
    const answer = await cancel(fleet.hive.url, id, '?partial=discard');
    expect(answer.body['downloads']).toMatchObject([{ state: 'stopped', partial: 'kept' }]);
    expect(spoken(await narration.toEnd()).at(-2)).toMatch(/^🛑 Cancelled: .* kept on disk: another download uses it$/);
    fleet.hub.throttle(null);
    expect(terminalsOf(await stream.toEnd())).toEqual(['complete']);
  });

  it('[I5] a download says in its narration that it verifies, and at its end how long it took', async () => {
    fleet.hub.throttle(null);
    const { job_id } = await startDownload(fleet.hive.url, MODEL);
    const lines = spoken(await (await readStream(`${fleet.hive.url}/v1/jobs/${job_id}/stream`)).toEnd());
    expect(lines.filter((line) => line.startsWith('🔍'))).toEqual(['🔍 Verifying big.gguf (67.1 MB)']);
    expect(lines.at(-2)).toMatch(/^✅ Model ready: \/.*big\.gguf \(67\.1 MB in \d+s, verified in \d+s\)$/);
  });

  it('[K1] at the queen is kept while its hive is gone, and the download ends when it is back', {
    timeout: 90_000,
  }, async () => {
    const direct = await startDownload(fleet.hive.url, MODEL);
    const { id, jobs } = await shared(fleet.queen.url);
    await fleet.hive.program.kill();
    const keeper = await fleet.keeper(['download', 'cancel', id]);
    expect((await keeper.exited).code).toBe(3);
    expect(keeper.stdout()).toContain('the download is cancelled when it is back');
    for (const job of jobs)
      expect((await api('GET', `${fleet.queen.url}/v1/jobs/${job}`)).body).toMatchObject({ state: 'cancelled' });
    await fleet.queen.program.kill();
    await fleet.restartQueen();
    const unreachable = { download_id: id, hive_id: 'hive-a', state: 'unreachable', partial: null, bytes: 0 };
    expect(await cancel(fleet.queen.url, id)).toMatchObject({
      status: 200,
      body: { jobs: 0, downloads: [unreachable] },
    });
    const stream = await readStream(`${fleet.queen.url}/v1/downloads/${id}/stream`);
    const { url } = await fleet.restart(fleet.hive);
    expect(terminalsOf(await stream.toEnd())).toEqual(['cancelled']);
    expect((await api('GET', `${url}/v1/jobs/${direct.job_id}`)).body).toMatchObject({ state: 'cancelled' });
    expect((await cancel(fleet.queen.url, id)).body).toMatchObject({
      ...{ status: 'cancelled', jobs: 0, downloads: [{ state: 'ended', partial: 'kept' }] },
    });
  });

  it('[K1] of an unknown one is 404', async () => {
    const unknown = 'dl-01999c3a-4f2b-7000-8000-000000000000';
    for (const { url } of [fleet.hive, fleet.queen])
      expect(await cancel(url, unknown)).toMatchObject({
        status: 404,
        body: { error: { code: 'DOWNLOAD_NOT_FOUND' } },
      });
  });
});
