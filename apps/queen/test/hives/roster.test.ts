import { hiveSchema } from '@rbee/contract';
import { createManualClock, type ManualClock } from '@rbee/testing';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHiveClient } from '../../src/hives/client.ts';
import { type RememberedHive, Roster } from '../../src/hives/roster.ts';
import { type FakeHive, heartbeatOf, NO_DOWNLOADS, startFakeHive } from '../support/fake-hive.ts';

const HEARTBEATS = '/v1/heartbeats/stream';

let hive: FakeHive;
let dispatcher: Agent;
let warnings: object[];
let events: string[];
let remembered: RememberedHive[];
let clock: ManualClock;
let roster: Roster;

beforeEach(async () => {
  hive = await startFakeHive();
  dispatcher = new Agent({ bodyTimeout: 0 });
  clock = createManualClock();
  [warnings, events, remembered] = [[], [], []];
  const { identify, headers } = createHiveClient({ dispatcher, token: 't' });
  roster = new Roster({
    clock,
    dispatcher,
    headers,
    identify,
    log: { info: () => {}, warn: (fields) => void warnings.push(fields) },
    remember: (known) => void remembered.push(known),
    forget: (hiveId) => void events.push(`forget ${hiveId}`),
    onEvent: (event, { hive_id }) => void events.push(`${event} ${hive_id}`),
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
    beat();
    await online();
    expect(events).toEqual(['arrived hive-a', 'left hive-a', 'heartbeat hive-a']);
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
