import { hiveRoutes, newDownloadId, pathOf, queenRoutes } from '@rbee/contract';
import { createWatch } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { completeOf, downloadOf, progressOf } from './support/events.ts';
import { type FakeFleet, startFakeFleet } from './support/fake-fleet.ts';
import { heartbeatOf, NO_DOWNLOADS, startFakeHive } from './support/fake-hive.ts';
import { api } from './support/queen.ts';

// Goal: one stream tells a reader everything about a fleet: what is there, where that ends, and what happens. Method: a real
// queen over HTTP, with hives that are scripted.

let fleet: FakeFleet;
let readers: AbortController[];
beforeEach(async () => {
  readers = [];
  fleet = await startFakeFleet(['hive-a']);
});
afterEach(async () => {
  for (const reader of readers) reader.abort();
  await fleet.close();
});

interface Got {
  readonly event: string;
  readonly data: Record<string, unknown>;
  readonly id: string;
}

/** Reads a stream until its reader is aborted. */
async function read(lastEventId: string | null = null) {
  const reader = new AbortController();
  readers.push(reader);
  const got: Got[] = [];
  const watch = createWatch(() => JSON.stringify(got));
  const response = await fetch(`${fleet.queen.url}${pathOf(queenRoutes.streamDownloads)}`, {
    signal: reader.signal,
    headers: lastEventId === null ? {} : { 'last-event-id': lastEventId },
  });
  void (async () => {
    let rest = '';
    for await (const chunk of response.body ?? []) {
      const blocks = (rest + Buffer.from(chunk).toString()).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
        if (field('event') !== '')
          got.push({ event: field('event'), data: JSON.parse(field('data')), id: field('id') });
      }
      watch.poke();
    }
  })().catch(() => {});
  const names = () => got.map(({ event }) => event);
  const waitFor = (name: string, count = 1) =>
    watch.waitFor(() => names().filter((each) => each === name).length >= count, name);
  return { got, names, waitFor, leave: () => reader.abort() };
}

/** A download that a hive has; its list has it too. */
async function startDownload(hive = fleet.hive('hive-a'), hive_id = 'hive-a') {
  const id = newDownloadId();
  const channel = hive.channel();
  channel.publish({ event: 'progress', data: progressOf(id, 1, { hive_id }) }, 'state');
  hive.serve(pathOf(hiveRoutes.streamDownload, { id }), channel);
  hive.serve('/v2/downloads', { json: { downloads: [downloadOf(id, { hive_id })], next_cursor: null } });
  if (hive_id === 'hive-a') fleet.beat('hive-a', { downloads: { ...NO_DOWNLOADS, downloading: 1 } });
  return { id, end: () => channel.publish({ event: 'complete', data: completeOf(id) }, 'terminal') };
}

describe('the stream of the fleet', () => {
  it('[L9] says where its snapshot ends, also where nothing is running', async () => {
    const empty = await read();
    await empty.waitFor('snapshot_end');
    expect(empty.names().filter((name) => name !== 'hive' && name !== 'limits')).toEqual(['snapshot_end']);
    const { id } = await startDownload();
    await empty.waitFor('progress');
    const late = await read();
    await late.waitFor('snapshot_end');
    expect(late.got.at(-1)).toMatchObject({ event: 'snapshot_end', data: {} });
    expect(late.got.filter(({ event }) => event === 'progress')).toMatchObject([{ data: { download_id: id } }]);
  });

  it('[L9] tells a reader that comes back what has ended meanwhile', async () => {
    const download = await startDownload();
    const reader = await read();
    await reader.waitFor('progress');
    reader.leave();
    const watcher = await read();
    download.end();
    await watcher.waitFor('complete');
    const again = await read(reader.got.at(-1)?.id);
    await again.waitFor('snapshot_end');
    expect(again.got.filter(({ event }) => event === 'complete')).toMatchObject([
      { data: { download_id: download.id } },
    ]);
    const other = await read();
    await other.waitFor('snapshot_end');
    expect(other.names()).not.toContain('complete');
  });

  it('has the hives and the limits of the fleet, and their changes', async () => {
    const reader = await read();
    await reader.waitFor('snapshot_end');
    const hives = () => reader.got.filter(({ event }) => event === 'hive').map(({ data }) => data);
    expect(hives()).toMatchObject([{ hive_id: 'hive-a', online: true, orchestrator_id: 'queen-1' }]);
    expect(reader.got.find(({ event }) => event === 'limits')?.data).toMatchObject({ max_bandwidth: null });
    await api('PATCH', `${fleet.queen.url}/v1/settings`, { max_bandwidth: 5_000_000 });
    await reader.waitFor('limits', 2);
    expect(reader.got.at(-1)?.data).toMatchObject({ max_bandwidth: 5_000_000 });
    const before = hives().length;
    fleet.beat('hive-a', { speed_bps: 9, downloads: { ...NO_DOWNLOADS, complete: 3 } });
    fleet.beat('hive-a', { draining: true });
    await reader.waitFor('hive', before + 1);
    expect(hives().slice(before)).toMatchObject([{ draining: true }]);
  });
});

describe('DELETE of a hive', () => {
  const hives = async () => (await api('GET', `${fleet.queen.url}/v1/hives`)).body['hives'] as { hive_id: string }[];

  it('[L12] forgets one that is gone for good, and ends what nobody can say the end of', async () => {
    const gone = await startFakeHive();
    const beats = gone.channel();
    beats.publish({ event: 'heartbeat', data: heartbeatOf('hive-gone', gone.url) }, 'state');
    gone.serve('/v1/heartbeats/stream', beats);
    const download = await startDownload(gone, 'hive-gone');
    await api('POST', `${fleet.queen.url}/v1/hive/ready`, { hive_id: 'hive-gone', hive_url: gone.url });
    const reader = await read();
    await reader.waitFor('hive', 2);
    beats.publish(
      {
        event: 'heartbeat',
        data: heartbeatOf('hive-gone', gone.url, { speed_bps: 1, downloads: { ...NO_DOWNLOADS, downloading: 1 } }),
      },
      'state',
    );
    await reader.waitFor('progress');
    const path = `${fleet.queen.url}/v1/hives/hive-gone`;
    expect(await api('DELETE', path)).toMatchObject({ status: 409, body: { error: { hint: /stop the hive/ } } });
    await gone.close();
    await reader.waitFor('notice');
    while (((await api('GET', `${fleet.queen.url}/v1/info`)).body['hives_online'] as number) > 1);
    expect(await api('DELETE', path)).toEqual({ status: 200, body: { hive_id: 'hive-gone', lost_downloads: 1 } });
    await reader.waitFor('hive_removed');
    await reader.waitFor('error');
    expect(reader.got.find(({ event }) => event === 'error')?.data).toMatchObject({
      download_id: download.id,
      hive_id: 'hive-gone',
      code: 'DOWNLOAD_NOT_FOUND',
      error: 'the hive hive-gone was removed',
    });
    expect((await hives()).map(({ hive_id }) => hive_id)).toEqual(['hive-a']);
    expect((await api('DELETE', path)).status).toBe(404);
  });

  it('[L12] is refused for one that the settings name, with what to do', async () => {
    expect(await api('DELETE', `${fleet.queen.url}/v1/hives/hive-a`)).toMatchObject({
      status: 409,
      body: { error: { code: 'STATUS_CONFLICT', hint: /RBEE_QUEEN_HIVES/ } },
    });
  });
});
