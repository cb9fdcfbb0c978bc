import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateBytes } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { sentByCdn } from './support/sent-bytes.ts';
import { jsonOf, type Reader, readStream, spoken } from './support/sse.ts';

// Goal: a paused, queued, retried or restarted download keeps its bytes and its place in the order. Method: the hub holds
// the body of a running download at a known byte, so that each state lasts until the test is done with it. Failure shows
// as a wrong status, bytes that fall, or a file that is fetched twice.

const SIZE = 16 * 1024 * 1024;
const HELD_BYTES = 4 * 1024 * 1024;
const model = (name: string) => `hf:org/models::file=${name}.gguf`;

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({ hiveEnv: { RBEE_HIVE_MAX_CONCURRENT_DOWNLOADS: '1' } });
  const names = ['first', 'second', 'third'];
  fleet.hub.addRepo({
    id: 'org/models',
    files: Object.fromEntries(names.map((name, seed) => [`${name}.gguf`, { size: SIZE, seed }])),
  });
});
afterEach(() => fleet.close());

const downloads = () => `${fleet.queen.url}/v1/downloads`;

async function watch(downloadId: string): Promise<Reader> {
  return readStream(`${downloads()}/${downloadId}/stream`);
}

/** A download with some bytes on disk, whose body the hub holds until `throttle(null)`. */
async function halfway(name: string): Promise<{ job_id: string; download_id: string; reader: Reader }> {
  fleet.hub.throttle(8 * HELD_BYTES);
  const started = await startDownload(fleet.queen.url, model(name));
  const reader = await watch(started.download_id);
  await fleet.hub.waitFor(() => sentByCdn(fleet.hub) >= HELD_BYTES, 'some bytes of the body', { timeoutMs: 30_000 });
  fleet.hub.throttle(0);
  await untilBytes(reader, 1);
  return { ...started, reader };
}

async function untilBytes(reader: Reader, bytes: number): Promise<void> {
  const hasBytes = () => reader.events.some((event) => Number(jsonOf(event)['bytes']) >= bytes);
  await reader.waitFor(hasBytes, `${bytes} bytes on disk`, { timeoutMs: 30_000 });
}

describe('pause and resume', () => {
  it('stop the bytes, free the slot, and continue where they were', async () => {
    const { download_id, reader } = await halfway('first');
    const next = await startDownload(fleet.queen.url, model('second'));
    const paused = await api('POST', `${downloads()}/${download_id}/pause`);
    expect(paused).toMatchObject({ status: 200, body: { status: 'paused', orchestrator_id: 'queen-1', speed_bps: 0 } });
    expect(Number(paused.body['bytes'])).toBeGreaterThan(0);
    expect(await api('POST', `${downloads()}/${download_id}/pause`)).toMatchObject({
      status: 409,
      body: { error: { code: 'STATUS_CONFLICT' } },
    });
    fleet.hub.throttle(null);
    expect((await (await watch(next.download_id)).toEnd()).at(-1)?.event).toBe('complete');

    const resumed = await api('POST', `${downloads()}/${download_id}/resume`);
    expect(resumed).toMatchObject({ status: 200, body: { status: 'queued' } });
    const events = await reader.toEnd();
    expect(events.at(-1)?.event).toBe('complete');
    const statuses = events.filter(({ event }) => event === 'progress').map((event) => jsonOf(event)['status']);
    const changes = statuses.filter((status, index) => status !== statuses[index - 1]);
    expect(changes.slice(changes.indexOf('paused'))).toEqual([
      'paused',
      'queued',
      'starting',
      'downloading',
      'verifying',
    ]);
    // Bytes it fetched itself do not count as reused; and bytes never fall.
    const bytes = events.filter(({ event }) => event === 'progress').map((event) => Number(jsonOf(event)['bytes']));
    expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
    const { body } = await api('GET', `${downloads()}/${download_id}`);
    expect(body).toMatchObject({ bytes_reused: 0, bytes_wasted: 0 });
    expect(await api('POST', `${downloads()}/${download_id}/resume`)).toMatchObject({ status: 409 });
  });

  it('of several files continue after the ones that are done', async () => {
    fleet.hub.fault({ kind: 'stall', path: 'second.gguf', afterBytes: HELD_BYTES });
    const ref = `${model('first')}::file=second.gguf`;
    const { download_id } = await startDownload(fleet.queen.url, ref);
    const reader = await watch(download_id);
    await untilBytes(reader, SIZE + 1);
    expect(await api('POST', `${downloads()}/${download_id}/pause`)).toMatchObject({ status: 200 });
    expect(await api('POST', `${downloads()}/${download_id}/resume`)).toMatchObject({ status: 200 });
    const events = await reader.toEnd();
    expect(events.at(-1)?.event, events.at(-1)?.data).toBe('complete');
    const bytes = events.filter(({ event }) => event === 'progress').map((event) => Number(jsonOf(event)['bytes']));
    expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
  });

  it('leave nothing on disk when a paused download is cancelled with discard', async () => {
    const { job_id, download_id } = await halfway('first');
    await api('POST', `${downloads()}/${download_id}/pause`);
    const receipt = await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}?partial=discard`);
    expect(receipt.body).toMatchObject({ downloads: [{ state: 'stopped', partial: 'discarded' }] });
    expect(await readdir(join(fleet.hive.modelsDir, 'models--org--models', 'blobs'))).toEqual([]);
  });

  it('leave nothing on disk when a download is cancelled with discard after a restart, before it is resolved again', async () => {
    const { job_id, download_id } = await halfway('first');
    await api('POST', `${downloads()}/${download_id}/pause`);
    const blobs = join(fleet.hive.modelsDir, 'models--org--models', 'blobs');
    expect(await readdir(blobs)).not.toEqual([]);
    await fleet.hive.program.kill();
    const { url } = await fleet.restart(fleet.hive);
    const receipt = await api('DELETE', `${url}/v1/jobs/${job_id}?partial=discard`);
    expect(receipt.body).toMatchObject({ downloads: [{ state: 'stopped', partial: 'discarded' }] });
    expect(await readdir(blobs)).toEqual([]);
  });

  it('leave a paused download cancellable', async () => {
    const { job_id, download_id, reader } = await halfway('first');
    await api('POST', `${downloads()}/${download_id}/pause`);
    const receipt = await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`);
    expect(receipt.body).toMatchObject({ status: 'cancelled', downloads: [{ state: 'stopped', partial: 'kept' }] });
    expect((await reader.toEnd()).at(-1)?.event).toBe('cancelled');
  });
});

describe('the queue', () => {
  it('takes the highest priority first, even if that changes while a download waits', async () => {
    const { download_id: running } = await halfway('first');
    const low = await startDownload(fleet.queen.url, model('second'), { priority: 1 });
    const high = await startDownload(fleet.queen.url, model('third'));
    expect(await api('PATCH', `${downloads()}/${high.download_id}`, { priority: 2 })).toMatchObject({
      status: 200,
      body: { priority: 2, status: 'queued' },
    });
    fleet.hub.throttle(null);
    for (const id of [running, low.download_id, high.download_id]) await (await watch(id)).toEnd();
    const started = async (id: string) => String((await api('GET', `${downloads()}/${id}`)).body['started_at']);
    expect((await started(high.download_id)) < (await started(low.download_id))).toBe(true);
  });
});

describe('retry', () => {
  it('of a cancelled download is a new job and a new download that uses the kept bytes', async () => {
    const { job_id, download_id } = await halfway('first');
    expect(await api('POST', `${downloads()}/${download_id}/retry`)).toMatchObject({ status: 409 });
    await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`);
    fleet.hub.throttle(null);
    const { status, body } = await api('POST', `${downloads()}/${download_id}/retry`);
    expect(status).toBe(202);
    expect(body['download_id']).not.toBe(download_id);
    const lines = spoken(await (await readStream(`${fleet.queen.url}/v1/jobs/${body['job_id']}/stream`)).toEnd());
    const taken = { operation: 'model_download', model: model('second'), job_id: body['job_id'] };
    expect(await api('POST', `${fleet.queen.url}/v1/jobs`, taken)).toMatchObject({ status: 409 });
    expect(lines.at(-1)).toBe('[DONE]');
    const again = await api('GET', `${downloads()}/${body['download_id']}`);
    expect(again.body).toMatchObject({ status: 'complete', retry_of: download_id });
    expect(Number(again.body['bytes_reused'])).toBeGreaterThan(0);
  });
});

describe('the history', () => {
  it('forgets what is removed, and refuses to remove a running download', async () => {
    const { job_id, download_id } = await halfway('first');
    expect(await api('DELETE', `${downloads()}/${download_id}`)).toMatchObject({ status: 409 });
    await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`);
    expect(await api('DELETE', `${downloads()}?older_than=1h`)).toMatchObject({ body: { removed: 0 } });
    expect(await api('DELETE', `${downloads()}?status=complete`)).toMatchObject({ body: { removed: 0 } });
    expect(await api('DELETE', `${downloads()}/${download_id}`)).toMatchObject({ status: 200, body: { removed: 1 } });
    expect(await api('GET', `${fleet.hive.url}/v2/downloads/${download_id}`)).toMatchObject({ status: 404 });
  });
});

describe('a hive that is killed in mid-download', () => {
  it('resumes by itself at the next start, and readers of the queen follow it to the end', async () => {
    const { job_id, reader } = await halfway('first');
    const job = await readStream(`${fleet.queen.url}/v1/jobs/${job_id}/stream`);
    const queued = await startDownload(fleet.queen.url, model('second'));
    const paused = await startDownload(fleet.queen.url, model('third'));
    await api('POST', `${downloads()}/${paused.download_id}/pause`);
    await fleet.hive.program.kill();
    await reader.waitFor(() => reader.events.some(({ data }) => data.includes('HIVE_LOST')), 'the notice of the loss');
    fleet.hub.throttle(null);
    const hive = await fleet.restart(fleet.hive);

    const events = await reader.toEnd();
    expect(
      events.filter(({ event }) => ['complete', 'error', 'cancelled'].includes(event)).map(({ event }) => event),
    ).toEqual(['complete']);
    expect(events.some(({ data }) => data.includes('HIVE_BACK'))).toBe(true);
    const path = String(jsonOf(events.at(-1))['path']);
    expect((await readFile(path)).equals(generateBytes({ size: SIZE, seed: 0 }))).toBe(true);
    expect(spoken(await job.toEnd()).at(-1)).toBe('[DONE]');
    expect((await (await watch(queued.download_id)).toEnd()).at(-1)?.event).toBe('complete');
    expect((await api('GET', `${hive.url}/v2/downloads/${paused.download_id}`)).body['status']).toBe('paused');
    const list = await api('GET', `${hive.url}/v2/downloads`);
    expect((list.body['downloads'] as { status: string }[]).map(({ status }) => status)).toEqual([
      'paused',
      'complete',
      'complete',
    ]);
  });

  it('still knows which download had ended, and how', async () => {
    const { job_id, download_id } = await halfway('first');
    await api('DELETE', `${fleet.hive.url}/v1/jobs/${job_id}`);
    await fleet.hive.program.kill();
    const hive = await fleet.restart(fleet.hive);
    const events = await (await readStream(`${hive.url}/v2/downloads/${download_id}/stream`)).toEnd();
    expect(events.map(({ event }) => event)).toEqual(['cancelled']);
    expect(spoken(await (await readStream(`${hive.url}/v1/jobs/${job_id}/stream`)).toEnd())).toEqual(['[CANCELLED]']);
  });
});
