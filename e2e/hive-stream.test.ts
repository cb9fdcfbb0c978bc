import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, type Reader, readStream } from './support/sse.ts';

// Goal: one stream of a hive tells everything about its downloads, and its heartbeats what a queen must know. Method: a hive as a
// process, read with plain fetch.

const SIZE = 8 * 1024 * 1024;
const ref = (name: string) => `hf:org/many::file=${name}.gguf`;

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
  const files = Object.fromEntries(['a', 'b', 'c'].map((name, seed) => [`${name}.gguf`, { size: SIZE, seed }]));
  fleet.hub.addRepo({ id: 'org/many', files });
  fleet.hub.throttle(1024 * 1024);
});
afterEach(() => fleet.close());

const names = ({ events }: Reader, id: string) =>
  events.filter((event) => jsonOf(event)['download_id'] === id).map(({ event }) => event);

describe('GET /v2/downloads/stream', () => {
  it('starts with the downloads that have not ended and says where that ends', async () => {
    const url = `${fleet.hive.url}/v2/downloads/stream`;
    const empty = await readStream(url);
    await empty.waitFor(() => empty.events.length > 0, 'the end of an empty snapshot');
    expect(empty.events[0]).toMatchObject({ event: 'snapshot_end', data: '{}' });
    const first = await startDownload(fleet.hive.url, ref('a'));
    const second = await startDownload(fleet.hive.url, ref('b'));
    const stream = await readStream(url);
    await stream.waitFor(() => stream.events.some(({ event }) => event === 'snapshot_end'), 'the snapshot');
    const end = stream.events.findIndex(({ event }) => event === 'snapshot_end');
    const there = stream.events.slice(0, end).map((event) => jsonOf(event)['download_id']);
    expect(there.sort()).toEqual([first.download_id, second.download_id].sort());

    const third = await startDownload(fleet.hive.url, ref('c'));
    fleet.hub.throttle(null);
    const ids = [first, second, third].map(({ download_id }) => download_id);
    await stream.waitFor(() => ids.every((id) => names(stream, id).includes('complete')), 'the ends');
    for (const id of ids) expect(names(stream, id).filter((event) => event === 'complete')).toHaveLength(1);
    expect(stream.ended).toBe(false);
    const late = await readStream(url);
    await late.waitFor(() => late.events.length > 0, 'the end of the snapshot');
    expect(late.events.map(({ event }) => event)).toEqual(['snapshot_end']);
  });
});

describe('a heartbeat', () => {
  const beats = async () => {
    const stream = await readStream(`${fleet.hive.url}/v1/heartbeats/stream`);
    await stream.waitFor(() => stream.events.length > 0, 'a heartbeat');
    return { stream, last: () => jsonOf(stream.events.at(-1)) };
  };

  it('[L10] has the bandwidth limit in force, wherever it was set', async () => {
    const { stream, last } = await beats();
    expect(last()).toMatchObject({ max_bandwidth: null, draining: false });
    await api('PATCH', `${fleet.hive.url}/v2/settings`, { max_bandwidth: '3MB/s' });
    await stream.waitFor(() => last()['max_bandwidth'] === 3_000_000, 'the new limit');
  });

  it('[L1] says that the hive is leaving, before it is gone', async () => {
    await startDownload(fleet.hive.url, ref('a'));
    const { stream, last } = await beats();
    await fleet.hive.program.stop();
    await stream.waitFor(() => stream.ended || stream.broken, 'the end of the stream');
    expect(last()).toMatchObject({ draining: true });
  });
});
