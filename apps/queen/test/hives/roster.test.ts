import { hiveSchema } from '@rbee/contract';
import { createManualClock, type ManualClock } from '@rbee/testing';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHiveClient, type HiveClient } from '../../src/hives/client.ts';
import { type RememberedHive, Roster } from '../../src/hives/roster.ts';
import { type FakeHive, heartbeatOf, NO_DOWNLOADS, startFakeHive } from '../support/fake-hive.ts';

const HEARTBEATS = '/v1/heartbeats/stream';

let hive: FakeHive;
let dispatcher: Agent;
let warnings: object[];
let errors: object[];
let onEvent: () => void;
let probe: (url: string, timeoutMs: number) => ReturnType<HiveClient['whoIsAt']> | null;
let events: string[];
let remembered: RememberedHive[];
let clock: ManualClock;
let roster: Roster;

beforeEach(async () => {
  hive = await startFakeHive();
  dispatcher = new Agent({ bodyTimeout: 0 });
  clock = createManualClock();
  [warnings, errors, events, remembered] = [[], [], [], []];
  [onEvent, probe] = [() => {}, () => null];
  const { whoIsAt, headers } = createHiveClient({ dispatcher, token: 't' });
  roster = new Roster({
    clock,
    dispatcher,
    headers,
    whoIsAt: (url, timeoutMs) => probe(url, timeoutMs) ?? whoIsAt(url, timeoutMs),
    log: {
      info: () => {},
      warn: (fields) => void warnings.push(fields),
      error: (fields) => void errors.push(fields),
    },
    remember: (known) => void remembered.push(known),
    forget: (hiveId) => void events.push(`forget ${hiveId}`),
    onEvent(event, { hive_id }) {
      events.push(`${event} ${hive_id}`);
      onEvent();
    },
  });
});
afterEach(async () => {
  roster.close();
  await hive.close();
  await dispatcher.destroy();
});

/** A hive that sends a heartbeat on request. */
function beating(at: FakeHive, hiveId = 'hive-a') {
  const channel = at.channel();
  at.serve(HEARTBEATS, channel);
  at.beKnownAs(hiveId);
  return (more: Parameters<typeof heartbeatOf>[2] = {}) =>
    channel.publish({ event: 'heartbeat', data: heartbeatOf(hiveId, at.url, more) }, 'state');
}

const online = (id = 'hive-a') => hive.waitFor(() => roster.get(id).online, 'the hive to be online');

describe('the roster', () => {
  it('follows the heartbeats of a hive, with the token that hives want', async () => {
    const beat = beating(hive);
    roster.add('hive-a', hive.url);
    expect(roster.get('hive-a')).toMatchObject({ online: false, last_seen_at: null });
    const downloads = { ...NO_DOWNLOADS, queued: 1, downloading: 2, complete: 9 };
    beat({ downloads, speed_bps: 5 });
    await online();
    expect(hiveSchema.parse(roster.get('hive-a'))).toMatchObject({
      active_downloads: 3,
      downloads,
      speed_bps: 5,
      free_bytes: 1_000,
      version: '0.1.0',
      problem: null,
    });
    expect(hive.requests[0]?.headers.authorization).toBe('Bearer t');
  });

  it('has a hive online from its first heartbeat, offline after three missed ones, and back with the next', async () => {
    const beat = beating(hive);
    await roster.register({ hive_id: 'hive-a', hive_url: hive.url });
    expect(roster.get('hive-a').online).toBe(false);
    beat();
    await online();
    clock.advance(3_000);
    expect(roster.get('hive-a').online).toBe(true);
    clock.advance(1_000);
    expect(roster.get('hive-a')).toMatchObject({ online: false, active_downloads: 0, speed_bps: 0 });
    await hive.waitFor(() => hive.requests.length === 2, 'the next connection');
    beat({ speed_bps: 1 });
    await online();
    expect(events).toEqual(['arrived hive-a', 'left hive-a', 'arrived hive-a']);
  });

  it('emits an arrival with the first heartbeat of each connection, because the hive may have been restarted', async () => {
    const beat = beating(hive);
    beat();
    roster.add('hive-a', hive.url);
    let returns = 0;
    const stop = roster.onArrival('hive-a', () => {
      returns += 1;
    });
    await hive.waitFor(() => returns === 1, 'the arrival');
    hive.cut();
    await hive.waitFor(() => hive.requests.length === 2, 'the next connection');
    beat({ speed_bps: 1 });
    await hive.waitFor(() => returns === 2, 'the return');
    stop();
    expect(events).toEqual(['arrived hive-a', 'arrived hive-a']);
  });

  it('rejects another address for a name while the old one responds under it, and accepts it afterwards', async () => {
    beating(hive)();
    const other = await startFakeHive();
    beating(other)();
    try {
      await roster.register({ hive_id: 'hive-a', hive_url: hive.url });
      await online();
      const moved = { hive_id: 'hive-a', hive_url: `${other.url}/` };
      await expect(roster.register(moved)).rejects.toMatchObject({ code: 'STATUS_CONFLICT', hint: /RBEE_HIVE_ID/ });
      expect(roster.get('hive-a').hive_url).toBe(hive.url);
      // Somebody else has the old address now.
      hive.beKnownAs('hive-z');
      hive.serve(HEARTBEATS, 404);
      hive.cut();
      await hive.waitFor(() => roster.get('hive-a').problem !== null, 'the problem');
      expect(await roster.register(moved)).toMatchObject({ hive_url: other.url, online: false });
      await online();
      expect(roster.list()).toHaveLength(1);
      expect(remembered.at(-1)).toMatchObject({ hive_id: 'hive-a', hive_url: other.url });
    } finally {
      await other.close();
    }
  });

  it('retries immediately, not after its delay, when an offline hive registers', async () => {
    const port = Number(new URL(hive.url).port);
    await hive.close();
    await roster.register({ hive_id: 'hive-a', hive_url: hive.url });
    hive = await startFakeHive(port);
    beating(hive)();
    await roster.register({ hive_id: 'hive-a', hive_url: hive.url });
    await online();
  });

  it('does not follow a hive with another name, and says so', async () => {
    beating(hive, 'hive-z')();
    roster.add('hive-a', hive.url);
    await hive.waitFor(() => roster.get('hive-a').problem !== null, 'the problem');
    expect(roster.get('hive-a')).toMatchObject({
      online: false,
      problem: 'the hive at this address calls itself hive-z',
    });
  });

  it('logs once when a hive rejects the request for its heartbeats, and does not retry in a hot loop', async () => {
    hive.serve(HEARTBEATS, 401);
    roster.add('hive-a', hive.url);
    await hive.waitFor(() => warnings.length === 1, 'the warning');
    expect(hive.requests).toHaveLength(1);
    clock.advance(5_000);
    await hive.waitFor(() => hive.requests.length === 2 && clock.pending === 1, 'the next try');
    beating(hive)();
    clock.advance(5_000);
    await online();
    expect(warnings).toHaveLength(1);
    expect(roster.get('hive-a').problem).toBeNull();
  });

  it('remembers where hives are and when they were heard of', async () => {
    const beat = beating(hive);
    roster.add('hive-a', hive.url, 1_000);
    expect(roster.get('hive-a').last_seen_at).toBe('1970-01-01T00:00:01.000Z');
    beat();
    await online();
    roster.close();
    expect(remembered.at(-1)).toEqual({ hive_id: 'hive-a', hive_url: hive.url, last_seen_ms: clock.now() });
  });

  it('forgets the hive that has been away the longest when it knows too many', () => {
    // Nobody listens there: what counts is the list.
    for (let index = 0; index < 1_000; index += 1) roster.add(`hive-${index}`, 'http://127.0.0.1:1', 2_000 - index);
    roster.add('hive-new', 'http://127.0.0.1:1');
    expect(events).toEqual(['forget hive-999']);
    expect(roster.list()).toHaveLength(1_000);
  });

  it('names the known hives in the error for an unknown one', async () => {
    expect(() => roster.get('nobody')).toThrow(expect.objectContaining({ hint: 'no hive has registered yet' }));
    roster.add('hive-a', hive.url);
    expect(() => roster.get('nobody')).toThrow(
      expect.objectContaining({ code: 'HIVE_NOT_FOUND', hint: 'known hives: hive-a' }),
    );
  });
});

describe('a hive that is half open', () => {
  it('[L5] has its connection broken when it goes offline, and is back with the first heartbeat of the next', async () => {
    const beat = beating(hive);
    let left = 0;
    roster.add('hive-a', hive.url);
    roster.onLeave('hive-a', () => {
      left += 1;
    });
    beat();
    await online();
    let isClosed = false;
    hive.requests[0]?.socket.once('close', () => {
      isClosed = true;
    });
    clock.advance(3_500);
    expect([left, roster.get('hive-a').online]).toEqual([1, false]);
    await hive.waitFor(() => isClosed && hive.requests.length === 2, 'another connection');
    beat({ speed_bps: 1 });
    await online();
    expect(events).toEqual(['arrived hive-a', 'left hive-a', 'arrived hive-a']);
  });

  it('[L5] is not back with the heartbeat that was there before', async () => {
    const beat = beating(hive);
    roster.add('hive-a', hive.url);
    beat();
    await online();
    for (const connection of [2, 3]) {
      clock.advance(3_500);
      if (connection === 2) await hive.waitFor(() => hive.requests.length === 2, 'another connection');
    }
    expect(events).toEqual(['arrived hive-a', 'left hive-a']);
    beat({ speed_bps: 1 });
    await online();
    expect(events).toEqual(['arrived hive-a', 'left hive-a', 'arrived hive-a']);
  });

  it('[L5] tells whoever follows it when it has not been heard of since the start of the queen', async () => {
    hive.serve(HEARTBEATS, 'nothing');
    let left = 0;
    roster.add('hive-a', hive.url);
    roster.onLeave('hive-a', () => {
      left += 1;
    });
    clock.advance(3_499);
    expect(left).toBe(0);
    clock.advance(1);
    expect(left).toBe(1);
  });
});

describe('the name of a hive', () => {
  const moved = { hive_id: 'hive-a', hive_url: 'http://127.0.0.1:1' };

  it('[L6] is kept while its heartbeats arrive, and nothing else is asked', async () => {
    const beat = beating(hive);
    hive.serve('/v1/info', 'nothing');
    roster.add('hive-a', hive.url);
    beat();
    await online();
    await expect(roster.register(moved)).rejects.toMatchObject({ code: 'STATUS_CONFLICT' });
    expect(hive.requests.map(({ url }) => url)).toEqual([HEARTBEATS]);
    expect(roster.get('hive-a')).toMatchObject({ hive_url: hive.url, online: true });
  });

  it.each<[string, { hiveId: string | null; isSilent: boolean }, boolean]>([
    ['is silent', { hiveId: null, isSilent: true }, false],
    ['still has it', { hiveId: 'hive-a', isSilent: false }, false],
    ['refuses the connection', { hiveId: null, isSilent: false }, true],
    ['has another hive', { hiveId: 'hive-z', isSilent: false }, true],
  ])('[L6] that was heard of a moment ago, at an address that now %s', async (_what, occupant, isFree) => {
    const beat = beating(hive);
    roster.add('hive-a', hive.url);
    beat();
    await online();
    hive.serve(HEARTBEATS, 'nothing');
    hive.cut();
    await hive.waitFor(() => hive.requests.length === 2, 'the next try');
    expect(roster.get('hive-a').online).toBe(true);
    probe = async () => occupant;
    if (isFree) expect(await roster.register(moved)).toMatchObject({ hive_url: moved.hive_url });
    else await expect(roster.register(moved)).rejects.toMatchObject({ code: 'STATUS_CONFLICT' });
  });

  it.each<[string, { hiveId: string | null; isSilent: boolean }, boolean]>([
    ['is silent', { hiveId: null, isSilent: true }, true],
    ['still has it', { hiveId: 'hive-a', isSilent: false }, false],
  ])('[L6] that has been offline, at an address that %s', async (_what, occupant, isFree) => {
    hive.serve(HEARTBEATS, 'nothing');
    roster.add('hive-a', hive.url);
    clock.advance(4_000);
    probe = async () => occupant;
    if (isFree) expect(await roster.register(moved)).toMatchObject({ hive_url: moved.hive_url });
    else await expect(roster.register(moved)).rejects.toMatchObject({ code: 'STATUS_CONFLICT' });
  });

  it('[L6] is kept when its heartbeats come back while somebody else asks for it', async () => {
    const beat = beating(hive);
    hive.serve(HEARTBEATS, 'nothing');
    roster.add('hive-a', hive.url);
    clock.advance(4_000);
    const answered = Promise.withResolvers<{ hiveId: string | null; isSilent: boolean }>();
    probe = () => answered.promise;
    const asked = roster.register(moved);
    const back = hive.channel();
    back.publish({ event: 'heartbeat', data: heartbeatOf('hive-a', hive.url) }, 'state');
    hive.serve(HEARTBEATS, back);
    hive.cut();
    await online();
    answered.resolve({ hiveId: null, isSilent: true });
    await expect(asked).rejects.toMatchObject({ code: 'STATUS_CONFLICT' });
    beat();
  });

  it('of two hives at one address belongs to the one that is there', async () => {
    const beat = beating(hive);
    roster.add('hive-a', hive.url);
    roster.add('hive-b', hive.url);
    beat();
    await online();
    await hive.waitFor(() => roster.get('hive-b').problem !== null, 'the problem of the other');
    expect(roster.get('hive-b')).toMatchObject({
      online: false,
      problem: 'the hive at this address calls itself hive-a',
    });
  });

  it('is the same at an address that is spelled differently', async () => {
    const beat = beating(hive);
    roster.add('hive-a', hive.url);
    beat();
    await online();
    const spelled = hive.url.replace('http', 'HTTP').concat('///');
    expect(await roster.register({ hive_id: 'hive-a', hive_url: spelled })).toMatchObject({ hive_url: hive.url });
  });
});

describe('a heartbeat that makes no sense', () => {
  const good = () => JSON.parse(heartbeatOf('hive-a', hive.url));
  it.each<[string, () => string]>([
    ['no JSON', () => '{'],
    ['no object', () => 'null'],
    ['a name that is no name', () => JSON.stringify({ ...good(), hive_id: '../x' })],
    ['an address that is not one', () => JSON.stringify({ ...good(), hive_url: 'x' })],
    ['counts that are missing', () => JSON.stringify({ ...good(), downloads: {} })],
    ['a count below zero', () => JSON.stringify({ ...good(), downloads: { ...NO_DOWNLOADS, queued: -1 } })],
    ['a speed without bounds', () => JSON.stringify(good()).replace('"speed_bps":0', '"speed_bps":1e400')],
    ['a time that is not one', () => JSON.stringify({ ...good(), at: 'yesterday' })],
    ['a limit below zero', () => JSON.stringify({ ...good(), max_bandwidth: -5 })],
    ['a text for a yes or no', () => JSON.stringify({ ...good(), draining: 'no' })],
    ['100,000 characters', () => JSON.stringify({ ...good(), version: 'x'.repeat(100_000) })],
  ])('[L12] with %s is dropped and logged, and the hive stays online over the same connection', async (_what, data) => {
    const beats = hive.channel();
    hive.serve(HEARTBEATS, beats);
    roster.add('hive-a', hive.url);
    beats.publish({ event: 'heartbeat', data: heartbeatOf('hive-a', hive.url) }, 'state');
    await online();
    beats.publish({ event: 'heartbeat', data: data() }, 'keep');
    beats.publish({ event: 'heartbeat', data: heartbeatOf('hive-a', hive.url, { speed_bps: 7 }) }, 'keep');
    await hive.waitFor(() => roster.get('hive-a').speed_bps === 7, 'the next heartbeat');
    expect(warnings).toMatchObject([{ hiveId: 'hive-a', count: 1 }]);
    expect([events, hive.requests.length]).toEqual([['arrived hive-a', 'heartbeat hive-a'], 1]);
    expect(roster.get('hive-a').problem).toBeNull();
  });

  it('[L12] is the problem of a hive that sends no other', async () => {
    const beats = hive.channel();
    hive.serve(HEARTBEATS, beats);
    roster.add('hive-a', hive.url);
    beats.publish({ event: 'heartbeat', data: '{}' }, 'state');
    await hive.waitFor(() => roster.get('hive-a').problem !== null, 'the problem');
    expect(roster.get('hive-a')).toMatchObject({ online: false, problem: 'its heartbeats do not match this version' });
  });

  it('[L12] is not one that the queen cannot process, for instance on a full disk', async () => {
    const beat = beating(hive);
    onEvent = () => {
      throw new Error('database or disk is full');
    };
    roster.add('hive-a', hive.url);
    beat();
    await online();
    await hive.waitFor(() => errors.length === 1, 'the log of the error');
    expect(roster.get('hive-a')).toMatchObject({ online: true, problem: null });
    expect(warnings).toEqual([]);
    onEvent = () => {};
    beat({ speed_bps: 7 });
    await hive.waitFor(() => roster.get('hive-a').speed_bps === 7, 'the next heartbeat');
    expect(hive.requests).toHaveLength(1);
  });
});

describe('a hive that is stopping', () => {
  it('[L1] is listed as such, and offline as soon as its connection ends', async () => {
    const beat = beating(hive);
    roster.add('hive-a', hive.url);
    beat();
    await online();
    expect(roster.get('hive-a').draining).toBeUndefined();
    beat({ draining: true });
    await hive.waitFor(() => roster.get('hive-a').draining === true, 'the last heartbeat');
    expect(roster.get('hive-a').online).toBe(true);
    hive.serve(HEARTBEATS, 'nothing');
    hive.cut();
    await hive.waitFor(() => !roster.get('hive-a').online, 'the end of the hive');
    expect(events.at(-1)).toBe('left hive-a');
  });
});

describe('a hive that is gone for good', () => {
  it('[L12] is forgotten with everything that was known of it', async () => {
    hive.serve(HEARTBEATS, 'nothing');
    roster.add('hive-a', hive.url);
    expect(roster.remove('hive-a')).toMatchObject({ hive_id: 'hive-a', online: false });
    expect([roster.list(), events]).toEqual([[], ['forget hive-a']]);
    expect(() => roster.remove('hive-a')).toThrow(expect.objectContaining({ code: 'HIVE_NOT_FOUND' }));
    clock.advance(10_000);
    expect(events).toEqual(['forget hive-a']);
  });

  it('[L12] is not one that is online', async () => {
    const beat = beating(hive);
    roster.add('hive-a', hive.url);
    beat();
    await online();
    expect(() => roster.remove('hive-a')).toThrow(expect.objectContaining({ code: 'STATUS_CONFLICT' }));
  });
});
