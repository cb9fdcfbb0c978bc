import {
  type Download,
  type DownloadId,
  type DownloadStatus,
  fleetDownloadListSchema,
  hiveRoutes,
  newDownloadId,
  pathOf,
  queenRoutes,
} from '@rbee/contract';
import { pageOf } from '@rbee/daemon';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { downloadOf, progressOf } from '../support/events.ts';
import { type FakeFleet, startFakeFleet } from '../support/fake-fleet.ts';
import type { FakeHive } from '../support/fake-hive.ts';
import { NO_DOWNLOADS } from '../support/fake-hive.ts';
import { api } from '../support/queen.ts';

// Goal: the list of the fleet has every download once, and says where it may be short. Method: a real queen over HTTP, and
// hives whose lists are long, slow, odd or missing.

let fleet: FakeFleet;
beforeEach(async () => {
  fleet = await startFakeFleet(['hive-a', 'hive-b']);
});
afterEach(() => fleet.close());

/** Serves downloads as a hive does. */
function serveList(hive: FakeHive, downloads: readonly Download[]): void {
  hive.serve('/v2/downloads', ({ searchParams }) => ({
    json: pageOf(downloads, {
      limit: Number(searchParams.get('limit') ?? 100),
      cursor: (searchParams.get('cursor') as DownloadId | null) ?? undefined,
      status: (searchParams.get('status') as DownloadStatus | null) ?? undefined,
    }),
  }));
}

async function list(query = '') {
  const { body } = await api('GET', `${fleet.queen.url}/v1/downloads${query}`);
  return fleetDownloadListSchema.parse(body);
}

async function allPages(limit: number): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await list(`?limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`);
    expect(page.downloads.length).toBeLessThanOrEqual(limit);
    ids.push(...page.downloads.map(({ download_id }) => download_id));
    cursor = page.next_cursor;
  }
  return ids;
}

const newest = (ids: readonly string[]) => [...ids].sort().reverse();
const idAt = (ms: number) => newDownloadId(1_700_000_000_000 + ms);

/** The download is relayed, and its hive listed as having it. */
async function relay(name: string, id: DownloadId): Promise<void> {
  const channel = fleet.hive(name).channel();
  channel.publish({ event: 'progress', data: progressOf(id, 500, { hive_id: name }) }, 'state');
  fleet.hive(name).serve(pathOf(hiveRoutes.streamDownload, { id }), channel);
  serveList(fleet.hive(name), [downloadOf(id, { hive_id: name })]);
  fleet.beat(name, { downloads: { ...NO_DOWNLOADS, downloading: 1 } });
  const stream = await fetch(`${fleet.queen.url}${pathOf(queenRoutes.streamDownloads)}`);
  const reader = stream.body?.getReader();
  for (let text = ''; !text.includes(id); ) text += Buffer.from((await reader?.read())?.value ?? []).toString();
  await reader?.cancel();
}

describe('the downloads of a fleet', () => {
  it.each([1, 99, 100, 999, 1_000])('[L11] are all in the pages of %d', async (limit) => {
    const ofA = Array.from({ length: limit === 1 ? 3 : 1_500 }, (_, index) => idAt(index));
    const ofB = Array.from({ length: 4 }, (_, index) => idAt(index * 300));
    serveList(
      fleet.hive('hive-a'),
      ofA.map((id) => downloadOf(id)),
    );
    serveList(
      fleet.hive('hive-b'),
      ofB.map((id) => downloadOf(id)),
    );
    expect(await allPages(limit)).toEqual(newest([...ofA, ...ofB]));
  });

  it('[L11] of a hive that returns fewer than it was asked for are not passed over', async () => {
    const [ofA, ofB] = [
      [10, 9, 8, 7, 6, 5, 4],
      [3, 2, 1],
    ].map((times) => times.map(idAt)) as [DownloadId[], DownloadId[]];
    fleet.hive('hive-a').serve('/v2/downloads', ({ searchParams }) => {
      const cursor = (searchParams.get('cursor') as DownloadId | null) ?? undefined;
      return {
        json: pageOf(
          ofA.map((id) => downloadOf(id)),
          { limit: 2, cursor },
        ),
      };
    });
    serveList(
      fleet.hive('hive-b'),
      ofB.map((id) => downloadOf(id)),
    );
    expect(await allPages(5)).toEqual([...ofA, ...ofB]);
  });

  it('[L11] of a hive that hangs are missing, which is a problem, and the others do not wait long', async () => {
    const id = idAt(1);
    serveList(fleet.hive('hive-a'), [downloadOf(id)]);
    fleet.hive('hive-b').serve('/v2/downloads', 'nothing');
    const { downloads, problems } = await list();
    expect(downloads.map(({ download_id }) => download_id)).toEqual([id]);
    expect(problems).toMatchObject([{ hive_id: 'hive-b', code: 'HIVE_UNAVAILABLE' }]);
  });

  it('[L11] come as they were last seen where a hive hangs', async () => {
    const id = idAt(1);
    await relay('hive-b', id);
    fleet.hive('hive-b').serve('/v2/downloads', 'nothing');
    fleet.hive('hive-b').serve(pathOf(hiveRoutes.getDownload, { id }), 'hang up');
    const seen = {
      download_id: id,
      hive_id: 'hive-b',
      status: 'downloading',
      bytes: 500,
      speed_bps: 0,
      eta_secs: null,
    };
    expect(await list()).toMatchObject({ downloads: [seen], problems: [{ hive_id: 'hive-b' }] });
    expect(await list('?status=paused')).toMatchObject({ downloads: [], problems: [{ hive_id: 'hive-b' }] });
    expect((await api('GET', `${fleet.queen.url}/v1/downloads/${id}`)).body).toMatchObject(seen);
  });

  it('[L11] come as they were last seen from a hive that is offline', async () => {
    const id = idAt(1);
    await relay('hive-b', id);
    fleet.hive('hive-b').serve('/v1/heartbeats/stream', 'nothing');
    fleet.hive('hive-b').cut();
    const isOffline = async () => (await api('GET', `${fleet.queen.url}/v1/info`)).body['hives_online'] === 1;
    while (!(await isOffline()));
    expect(await list()).toMatchObject({
      downloads: [{ download_id: id, bytes: 500 }],
      problems: [{ hive_id: 'hive-b' }],
    });
  });

  it('[L11] of an id that claims a time to come have a time that is past', async () => {
    const id = newDownloadId(2 ** 48 - 1);
    await relay('hive-b', id);
    fleet.hive('hive-b').serve('/v2/downloads', 'hang up');
    expect((await list()).downloads).toMatchObject([{ download_id: id }]);
  });

  it('[L12] belong to the hive that lists them, and each is there once', async () => {
    const id = idAt(1);
    serveList(fleet.hive('hive-a'), [downloadOf(id, { hive_id: 'hive-z' })]);
    serveList(fleet.hive('hive-b'), []);
    expect((await list()).downloads).toMatchObject([{ download_id: id, hive_id: 'hive-a' }]);
    serveList(fleet.hive('hive-b'), [downloadOf(id)]);
    expect((await list()).downloads).toHaveLength(1);
  });

  it('[L12] with a list that makes no sense are a problem', async () => {
    fleet.hive('hive-a').serve('/v2/downloads', { json: { downloads: [{ download_id: 'x' }], next_cursor: 'y' } });
    expect(await list()).toMatchObject({ downloads: [], problems: [{ hive_id: 'hive-a', message: /does not match/ }] });
  });
});

describe('the downloads that a queen finds at a hive', () => {
  it('[L11] are all of them, where one page does not hold them', async () => {
    const ids = Array.from({ length: 60 }, (_, index) => idAt(index));
    fleet.hive('hive-a').serve('/v2/downloads', ({ searchParams }) => {
      const cursor = (searchParams.get('cursor') as DownloadId | null) ?? undefined;
      const status = (searchParams.get('status') as DownloadStatus | null) ?? undefined;
      return {
        json: pageOf(
          ids.map((id) => downloadOf(id, { status: 'queued' })),
          { limit: 25, cursor, status },
        ),
      };
    });
    for (const id of ids) fleet.hive('hive-a').serve(pathOf(hiveRoutes.streamDownload, { id }), 'nothing');
    fleet.beat('hive-a', { downloads: { ...NO_DOWNLOADS, queued: 60 } });
    const oldest = pathOf(hiveRoutes.streamDownload, { id: ids[0] ?? '' });
    const isFollowed = () => fleet.hive('hive-a').requests.some(({ url }) => url === oldest);
    await fleet.hive('hive-a').waitFor(isFollowed, 'the oldest download to be followed');
  });

  it('are not searched at every heartbeat, where a hive counts more than it lists', async () => {
    const searches = () => fleet.hive('hive-a').requests.filter(({ url }) => url?.includes('status=queued')).length;
    for (let beat = 1; beat <= 5; beat += 1) fleet.beat('hive-a', { downloads: { ...NO_DOWNLOADS, queued: 7 } });
    await fleet.hive('hive-a').waitFor(() => searches() > 0, 'the search');
    const beats = setInterval(() => fleet.beat('hive-a', { downloads: { ...NO_DOWNLOADS, queued: 8 } }), 50);
    try {
      await fleet.hive('hive-a').waitFor(() => searches() === 2, 'the search for another number');
    } finally {
      clearInterval(beats);
    }
  });
});

describe('a download that no hive is known to have', () => {
  const id = idAt(1);
  it('is found at the first hive that has it, without waiting for one that hangs', async () => {
    fleet.hive('hive-a').serve(pathOf(hiveRoutes.getDownload, { id }), 'nothing');
    fleet.hive('hive-b').serve(pathOf(hiveRoutes.getDownload, { id }), { json: downloadOf(id) });
    expect((await api('GET', `${fleet.queen.url}/v1/downloads/${id}`)).status).toBe(200);
  });

  it('may be at a hive that does not respond: it is not said to be unknown', async () => {
    fleet.hive('hive-a').serve(pathOf(hiveRoutes.getDownload, { id }), 'hang up');
    expect((await api('GET', `${fleet.queen.url}/v1/downloads/${id}`)).status).toBe(503);
  });
});
