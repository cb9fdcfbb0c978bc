import { hiveRoutes, newDownloadId, pathOf, systemClock } from '@rbee/contract';
import { type Channel, createStreamHub } from '@rbee/event-stream';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHiveClient } from '../../src/hives/client.ts';
import { followHive } from '../../src/hives/follow-hive.ts';
import { Relay } from '../../src/relay/relay.ts';
import { cancelledOf, completeOf, noticeOf, progressOf } from '../support/events.ts';
import { type FakeHive, startFakeHive } from '../support/fake-hive.ts';
import { readChannel as read } from '../support/read-channel.ts';

// Goal: the events of a hive reach any number of readers over one upstream, unchanged except for what the queen adds, and a
// lost hive ends nothing. Method: the hive's side is a real server that is cut at the socket.

let hive: FakeHive;
let dispatcher: Agent;
let relay: Relay;
let address: string;
let arrive: () => void;
let leave: () => void;
let warnings: Record<string, unknown>[];
let places: string[];
const id = newDownloadId();
const path = pathOf(hiveRoutes.streamDownload, { id });

beforeEach(async () => {
  hive = await startFakeHive();
  hive.beKnownAs('hive-a');
  address = hive.url;
  [places, warnings] = [[], []];
  dispatcher = new Agent({ bodyTimeout: 0 });
  const streamHub = createStreamHub();
  const listeners = new Set<() => void>();
  const leaveListeners = new Set<() => void>();
  leave = () => {
    for (const listener of leaveListeners) listener();
  };
  arrive = () => {
    for (const listener of listeners) listener();
  };
  const fleet = {
    get: () => ({ hive_id: 'hive-a', hive_url: address }),
    onArrival(_: string, listener: () => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onLeave(_: string, listener: () => void) {
      leaveListeners.add(listener);
      return () => leaveListeners.delete(listener);
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
    log: { warn: (fields) => void warnings.push(fields as Record<string, unknown>) },
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

const progress = (bytes: number) => progressOf(id, bytes);

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
    upstream.publish({ event: 'complete', data: completeOf(id) }, 'terminal');
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
    upstream.publish({ event: 'notice', data: noticeOf(id, 'RETRY') }, 'keep');
    upstream.publish({ event: 'complete', data: completeOf(id) }, 'terminal');
    await hive.waitFor(() => readers.every((lines) => lines.at(-1) === 'end'), 'the end');
    const added = '"orchestrator_id":"queen-1"';
    for (const lines of readers) {
      expect(lines).toEqual([
        `progress {${added},${progress(1).slice(1)}`,
        `notice {${added},"hive_id":"hive-a",${noticeOf(id, 'RETRY').slice(1)}`,
        `complete {${added},"hive_id":"hive-a",${completeOf(id).slice(1)}`,
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
    upstream.publish({ event: 'complete', data: completeOf(id) }, 'terminal');
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
      upstream.publish({ event: 'complete', data: completeOf(id) }, 'terminal');
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
    first.publish({ event: 'complete', data: completeOf(id) }, 'terminal');
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
    upstream.publish({ event: 'cancelled', data: cancelledOf(id) }, 'terminal');
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    expect(relay.activeAt('hive-a')).toBe(0);
    relay.notice(id, 'CANCEL_PENDING', 'too late');
  });

  it('gives a late reader of an ended download the terminal event alone', async () => {
    const upstream = hive.channel();
    upstream.publish({ event: 'cancelled', data: cancelledOf(id) }, 'terminal');
    hive.serve(path, upstream);
    const first = read(open());
    await hive.waitFor(() => first.at(-1) === 'end', 'the end');
    const late = read(open());
    await hive.waitFor(() => late.at(-1) === 'end', 'the end');
    expect(late).toEqual(first);
    expect(hive.requests).toHaveLength(1);
  });
});

describe('a hive that goes offline without closing its connections', () => {
  it('[L5] is lost for its readers immediately, and followed again as soon as it is back', async () => {
    const upstream = hive.channel();
    hive.serve(path, upstream);
    upstream.publish({ event: 'progress', data: progress(1) }, 'state');
    const lines = read(open());
    await hive.waitFor(() => lines.length === 1, 'the first event');
    leave();
    expect(lines[1]).toBeUndefined();
    await hive.waitFor(() => lines.length === 2, 'the notice of the loss');
    expect(lines[1]).toMatch(/HIVE_LOST/);
    const before = hive.requests.length;
    arrive();
    await hive.waitFor(() => lines.some((line) => line.includes('HIVE_BACK')), 'the notice of the return');
    expect(hive.requests.length).toBe(before + 1);
    upstream.publish({ event: 'complete', data: completeOf(id) }, 'terminal');
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
  });

  it('[L5] has its connection broken, so that nothing of it is left open', async () => {
    const upstream = hive.channel();
    hive.serve(path, upstream);
    upstream.publish({ event: 'progress', data: progress(1) }, 'state');
    const lines = read(open());
    await hive.waitFor(() => lines.length === 1, 'the first event');
    let isClosed = false;
    hive.requests[0]?.socket.once('close', () => {
      isClosed = true;
    });
    leave();
    await hive.waitFor(() => isClosed, 'the connection to be closed');
  });

  it('[L5] is said to be lost once, where it was lost before it was silent', async () => {
    hive.serve(path, 'nothing');
    const lines = read(open());
    await hive.waitFor(() => hive.requests.length === 1, 'the upstream');
    leave();
    leave();
    await hive.waitFor(() => lines.length > 0, 'the notice of the loss');
    arrive();
    await hive.waitFor(() => hive.requests.length === 2, 'the next try');
    leave();
    const upstream = hive.channel();
    hive.serve(path, upstream);
    upstream.publish({ event: 'complete', data: completeOf(id) }, 'terminal');
    arrive();
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    expect(lines.filter((line) => line.includes('HIVE_LOST'))).toHaveLength(1);
  });
});

describe('an event that makes no sense', () => {
  const big = 'x'.repeat(70_000);
  it.each<[string, string, string]>([
    ['no JSON', 'progress', '{"download_id":'],
    ['no object', 'notice', '[1]'],
    ['a text', 'notice', '"HIVE_LOST"'],
    ['a number without bounds', 'progress', progressOf(id, 1).replace('"bytes":1,', '"bytes":1e400,')],
    ['bytes that no integer holds', 'progress', progressOf(id, 1e300)],
    ['NaN', 'progress', progressOf(id, 1).replace('"bytes":1,', '"bytes":NaN,')],
    ['negative bytes', 'progress', progressOf(id, -1)],
    ['a percentage beyond 100', 'progress', progressOf(id, 1, { percent: 1e9 })],
    ['a text for a number', 'progress', progressOf(id, 1, { speed_bps: '5' as never })],
    ['an unknown status', 'progress', progressOf(id, 1, { status: 'flying' as never })],
    ['no status', 'progress', progressOf(id, 1, { status: undefined as never })],
    ['another download', 'progress', progressOf(newDownloadId(), 1)],
    ['an unknown notice', 'notice', noticeOf(id, 'PARTY')],
    ['an end without bytes', 'complete', JSON.stringify({ download_id: id })],
    ['an end of another download', 'complete', completeOf(newDownloadId())],
    [
      'an error with an unknown code',
      'error',
      JSON.stringify({ download_id: id, error: 'no', code: 'NOPE', bytes: 0 }),
    ],
    ['70,000 characters', 'notice', JSON.stringify({ download_id: id, code: 'RETRY', message: big })],
  ])('[L12] with %s is dropped and logged, and ends nothing', async (_what, event, data) => {
    const upstream = hive.channel();
    hive.serve(path, upstream);
    const lines = read(open());
    await hive.waitFor(() => hive.requests.length === 1, 'the upstream');
    upstream.publish({ event, data }, 'keep');
    upstream.publish({ event: 'progress', data: progress(2) }, 'state');
    await hive.waitFor(() => lines.length > 0, 'the next event');
    upstream.publish({ event: 'complete', data: completeOf(id) }, 'terminal');
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['progress', 'complete', 'end']);
    expect(warnings).toMatchObject([{ hiveId: 'hive-a', downloadId: id, count: 1 }]);
    expect(hive.requests).toHaveLength(1);
  });

  it('[L12] as the end of a stream waits for one that does', async () => {
    const bad = hive.channel();
    hive.serve(path, bad);
    const lines = read(open());
    await hive.waitFor(() => hive.requests.length === 1, 'the upstream');
    bad.publish({ event: 'complete', data: '{}' }, 'terminal');
    await hive.waitFor(() => lines.some((line) => line.includes('HIVE_LOST')), 'the notice');
    const good = hive.channel();
    good.publish({ event: 'complete', data: completeOf(id) }, 'terminal');
    hive.serve(path, good);
    arrive();
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    expect(lines.filter((line) => line.startsWith('complete'))).toHaveLength(1);
  });

  it('[L12] is logged less and less often when a hive sends nothing else', async () => {
    const upstream = hive.channel();
    hive.serve(path, upstream);
    const lines = read(open());
    await hive.waitFor(() => hive.requests.length === 1, 'the upstream');
    for (let count = 0; count < 100; count += 1) upstream.publish({ event: 'notice', data: '[]' }, 'keep');
    upstream.publish({ event: 'complete', data: completeOf(id) }, 'terminal');
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    expect(warnings.map(({ count }) => count)).toEqual([1, 2, 4, 8, 16, 32, 64]);
  });
});

describe('the names in an event', () => {
  it.each<[string, string, string]>([
    ['hive_id in a progress event', 'progress', progressOf(id, 1, { hive_id: 'hive-z' })],
    ['hive_id in another event', 'notice', JSON.stringify({ ...JSON.parse(noticeOf(id, 'RETRY')), hive_id: 'hive-z' })],
    ['orchestrator_id', 'notice', JSON.stringify({ ...JSON.parse(noticeOf(id, 'RETRY')), orchestrator_id: 'queen-z' })],
    ['a key that is there twice', 'progress', progressOf(id, 1).replace('{', '{"hive_id":"hive-z",')],
    [
      'a key that is spelled with an escape',
      'notice',
      noticeOf(id, 'RETRY').replace('{', '{"hive\\u005fid":"hive-z",'),
    ],
  ])('[L12] come from the queen, whatever a hive writes: %s', async (_what, event, data) => {
    const upstream = hive.channel();
    hive.serve(path, upstream);
    const lines = read(open());
    await hive.waitFor(() => hive.requests.length === 1, 'the upstream');
    upstream.publish({ event, data }, 'keep');
    upstream.publish({ event: 'complete', data: completeOf(id) }, 'terminal');
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    const relayed = lines[0]?.slice(event.length + 1) ?? '';
    expect(JSON.parse(relayed)).toMatchObject({ hive_id: 'hive-a', orchestrator_id: 'queen-1', download_id: id });
    expect(relayed).not.toMatch(/hive-z|queen-z/);
  });
});
