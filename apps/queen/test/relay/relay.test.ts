import { hiveRoutes, newDownloadId, pathOf, systemClock } from '@rbee/contract';
import { type Channel, createStreamHub } from '@rbee/event-stream';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHiveClient } from '../../src/hives/client.ts';
import { followHive } from '../../src/hives/follow-hive.ts';
import { Relay } from '../../src/relay/relay.ts';
import { type FakeHive, startFakeHive } from '../support/fake-hive.ts';
import { readChannel as read } from '../support/read-channel.ts';

// Goal: the events of a hive reach any number of readers over one upstream, unchanged except for what the queen adds, and a
// lost hive ends nothing. Method: the hive's side is a real server that is cut at the socket.

let hive: FakeHive;
let dispatcher: Agent;
let relay: Relay;
let address: string;
let arrive: () => void;
let places: string[];
const id = newDownloadId();
const path = pathOf(hiveRoutes.streamDownload, { id });

beforeEach(async () => {
  hive = await startFakeHive();
  hive.beKnownAs('hive-a');
  address = hive.url;
  places = [];
  dispatcher = new Agent({ bodyTimeout: 0 });
  const streamHub = createStreamHub();
  const listeners = new Set<() => void>();
  arrive = () => {
    for (const listener of listeners) listener();
  };
  const fleet = {
    get: () => ({ hive_id: 'hive-a', hive_url: address }),
    onArrival(_: string, listener: () => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const client = createHiveClient({ dispatcher, token: null });
  const { headers } = client;
  relay = new Relay({
    queenId: 'queen-1',
    streamHub,
    follow: (stream) => followHive({ fleet, client, clock: systemClock, dispatcher, headers }, stream),
    fleetStream: streamHub.keyedStream(),
    onOpen: (downloadId, hiveId) => void places.push(`${downloadId === id} at ${hiveId}`),
    onEnd: (downloadId) => void places.push(`${downloadId === id} ended`),
    maxFollowed: 3,
  });
});
afterEach(async () => {
  relay.close();
  await dispatcher.destroy();
  await hive.close();
});

function open(): Channel {
  return relay.open('hive-a', id);
}

const progress = (bytes: number) => JSON.stringify({ download_id: id, hive_id: 'hive-a', bytes });

describe('the relay', () => {
  it('follows a limited number of downloads, and another once one has ended', async () => {
    const upstream = hive.channel();
    hive.serve(path, upstream);
    const lines = read(open());
    for (const other of [newDownloadId(), newDownloadId()]) {
      hive.serve(pathOf(hiveRoutes.streamDownload, { id: other }), hive.channel());
      relay.open('hive-b', other);
    }
    expect(relay.isFull).toBe(true);
    const late = newDownloadId();
    expect(() => relay.open('hive-a', late)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    expect([relay.activeAt('hive-a'), relay.hiveOf(late)]).toEqual([1, undefined]);
    await hive.waitFor(() => hive.requests.length === 3, 'the upstreams');
    upstream.publish({ event: 'complete', data: progress(1) }, 'terminal');
    await hive.waitFor(() => lines.includes('end'), 'the end of one');
    expect([relay.activeAt('hive-a'), relay.isFull]).toEqual([0, false]);
    relay.open('hive-a', late);
    expect(relay.isFull).toBe(true);
  });

  it('gives every reader the same over one upstream, with the queen and the hive named once', async () => {
    const upstream = hive.channel();
    hive.serve(path, upstream);
    const readers = Array.from({ length: 50 }, () => read(open()));
    await hive.waitFor(() => hive.requests.length === 1, 'the upstream');
    upstream.publish({ event: 'progress', data: progress(1) }, 'state');
    upstream.publish({ event: 'notice', data: '{"code":"RETRY"}' }, 'keep');
    upstream.publish({ event: 'complete', data: '{"bytes":2}' }, 'terminal');
    await hive.waitFor(() => readers.every((lines) => lines.at(-1) === 'end'), 'the end');
    const added = '"orchestrator_id":"queen-1"';
    for (const lines of readers) {
      expect(lines).toEqual([
        `progress {${added},${progress(1).slice(1)}`,
        `notice {${added},"hive_id":"hive-a","code":"RETRY"}`,
        `complete {${added},"hive_id":"hive-a","bytes":2}`,
        'end',
      ]);
    }
    expect(hive.requests).toHaveLength(1);
  });

  it('says when the hive is lost and when it is back, and continues', async () => {
    const upstream = hive.channel();
    hive.serve(path, upstream);
    upstream.publish({ event: 'progress', data: progress(1) }, 'state');
    const lines = read(open());
    await hive.waitFor(() => lines.length === 1, 'the first event');
    hive.cut();
    await hive.waitFor(() => lines.some((line) => line.includes('HIVE_LOST')), 'the notice of the loss');
    await hive.waitFor(() => lines.some((line) => line.includes('HIVE_BACK')), 'the notice of the return');
    upstream.publish({ event: 'progress', data: progress(2) }, 'state');
    upstream.publish({ event: 'complete', data: '{"bytes":2}' }, 'terminal');
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    const bytes = lines.filter((line) => line.startsWith('progress')).map((line) => /"bytes":(\d)/.exec(line)?.[1]);
    expect(bytes).toEqual(['1', '2']);
    expect(lines.filter((line) => /^(complete|error|cancelled)/.test(line))).toHaveLength(1);
  });

  it('ends a stream whose download the hive no longer knows, and says what to do', async () => {
    const lines = read(open());
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    expect(lines[0]).toMatch(/^error .*"code":"DOWNLOAD_NOT_FOUND".*"hint":"download the model again/);
    expect(places).toEqual(['true at hive-a', 'true ended']);
  });

  it('ends nothing when another hive has the address, and continues at the new address of the hive', async () => {
    hive.beKnownAs('hive-z');
    const lines = read(open());
    await hive.waitFor(() => lines.some((line) => line.includes('HIVE_LOST')), 'the notice of the loss');
    const moved = await startFakeHive();
    try {
      const upstream = moved.channel();
      moved.serve(path, upstream);
      upstream.publish({ event: 'complete', data: '{"bytes":2}' }, 'terminal');
      address = moved.url;
      arrive();
      await moved.waitFor(() => lines.at(-1) === 'end', 'the end');
      expect(lines.map((line) => /HIVE_\w+|^complete/.exec(line)?.[0])).toEqual([
        'HIVE_LOST',
        'HIVE_BACK',
        'complete',
        undefined,
      ]);
    } finally {
      await moved.close();
    }
  });

  it('does not repeat the newest state when a hive that was lost has nothing new', async () => {
    const first = hive.channel();
    hive.serve(path, first);
    first.publish({ event: 'progress', data: progress(1) }, 'state');
    const lines = read(open());
    await hive.waitFor(() => lines.length === 1, 'the first event');
    hive.cut();
    await hive.waitFor(() => lines.some((line) => line.includes('HIVE_BACK')), 'the return');
    first.publish({ event: 'complete', data: '{"bytes":2}' }, 'terminal');
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    expect(lines.filter((line) => line.startsWith('progress'))).toHaveLength(1);
  });

  it('counts the active downloads of a hive, and sends notices of the queen to their readers', async () => {
    const upstream = hive.channel();
    hive.serve(path, upstream);
    const lines = read(open());
    expect([relay.activeAt('hive-a'), relay.activeAt('hive-b')]).toEqual([1, 0]);
    relay.notice(id, 'CANCEL_PENDING', 'later');
    await hive.waitFor(() => lines.length === 1, 'the notice');
    expect(lines[0]).toMatch(/^notice .*"hive_id":"hive-a".*"code":"CANCEL_PENDING","message":"later"/);
    upstream.publish({ event: 'cancelled', data: '{"bytes":0}' }, 'terminal');
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    expect(relay.activeAt('hive-a')).toBe(0);
    relay.notice(id, 'CANCEL_PENDING', 'too late');
  });

  it('gives a late reader of an ended download the terminal event alone', async () => {
    const upstream = hive.channel();
    upstream.publish({ event: 'cancelled', data: '{"bytes":0}' }, 'terminal');
    hive.serve(path, upstream);
    const first = read(open());
    await hive.waitFor(() => first.at(-1) === 'end', 'the end');
    const late = read(open());
    await hive.waitFor(() => late.at(-1) === 'end', 'the end');
    expect(late).toEqual(first);
    expect(hive.requests).toHaveLength(1);
  });
});
