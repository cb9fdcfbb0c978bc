import type { Hive, RunTimeSettings } from '@rbee/contract';
import { createManualClock } from '@rbee/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { FleetLimits } from '../../src/limits/fleet-limits.ts';
import type { KeptLimits } from '../../src/state/saved-rows.ts';
import { hiveNamed, NO_DOWNLOADS } from '../support/fake-hive.ts';

// Goal: the hives never have more than the budget together, however they come and go, and get their own limits back.
// Method: each hive is a number, on a manual clock; a hive has the limits it was sent.

const DOWNLOADING = { ...NO_DOWNLOADS, downloading: 1 };

let clock: ReturnType<typeof createManualClock>;
let hives: Hive[];
let has: Map<string, RunTimeSettings>;
let kept: Map<string, KeptLimits>;
/** The largest sum of the limits of downloading hives whenever one of them was raised. */
let most: number;
let unreachable: Set<string>;
/** Called for each hive that gets limits, and awaited before its response. */
let onGive: (hiveId: string) => Promise<void> | undefined;

beforeEach(() => {
  clock = createManualClock();
  hives = [];
  has = new Map();
  kept = new Map();
  most = 0;
  unreachable = new Set();
  onGive = () => undefined;
});

function addHive(id: string, max_bandwidth: number | null = null): void {
  hives.push(hiveNamed(id));
  has.set(id, { max_bandwidth, max_concurrent_downloads: 3 });
}

function limitsWith(budget: number | null): FleetLimits {
  return new FleetLimits({
    clock,
    hives: () => hives,
    getSettings: async ({ hive_id }) => settingsOf(hive_id),
    patchSettings: async ({ hive_id }, { max_bandwidth, max_concurrent_downloads }) => {
      await onGive(hive_id);
      const before = settingsOf(hive_id);
      const after = {
        max_bandwidth: max_bandwidth === undefined ? before.max_bandwidth : max_bandwidth,
        max_concurrent_downloads: max_concurrent_downloads ?? before.max_concurrent_downloads,
      };
      has.set(hive_id, after);
      if (asNumber(after.max_bandwidth) > asNumber(before.max_bandwidth)) most = Math.max(most, totalOfBusy());
      return after;
    },
    remembered: kept,
    remember: (hiveId, limits) => kept.set(hiveId, limits),
    forget: (hiveId) => kept.delete(hiveId),
    onSettings: () => {},
    log: { info: () => {}, warn: () => {} },
    budget,
  });
}

function settingsOf(id: string): RunTimeSettings {
  const settings = has.get(id);
  if (!settings || unreachable.has(id)) throw new Error(`${id} does not answer`);
  return settings;
}

const totalOfBusy = () =>
  hives
    .filter(({ downloads }) => downloads?.downloading === 1)
    .reduce((sum, { hive_id }) => sum + asNumber(has.get(hive_id)?.max_bandwidth ?? null), 0);

const asNumber = (limit: number | null) => limit ?? Number.POSITIVE_INFINITY;

const limitOf = (id: string) => has.get(id)?.max_bandwidth;

function change(id: string, more: Partial<Hive>): Hive {
  const index = hives.findIndex(({ hive_id }) => hive_id === id);
  const changed = { ...(hives[index] ?? hiveNamed(id)), ...more };
  hives[index] = changed;
  return changed;
}

/** A heartbeat, and its consequences. */
async function beat(limits: FleetLimits, id: string, more: Partial<Hive>): Promise<void> {
  limits.onHeartbeat(change(id, more));
  clock.advance(100);
  await limits.change(hiveNamed(id), {});
}

async function arriveAll(limits: FleetLimits): Promise<void> {
  for (const hive of hives) await limits.onArrival(hive);
}

describe('the budget of the fleet', () => {
  it('is divided over the hives that download, and a hive that stops has its own limit again', async () => {
    addHive('a');
    addHive('b', 5_000_000);
    const limits = limitsWith(100_000_000);
    await arriveAll(limits);
    expect([limitOf('a'), limitOf('b')]).toEqual([null, 5_000_000]);
    await beat(limits, 'a', { downloads: DOWNLOADING });
    expect(limitOf('a')).toBe(100_000_000);
    await beat(limits, 'b', { downloads: DOWNLOADING });
    expect([limitOf('a'), limitOf('b')]).toEqual([95_000_000, 5_000_000]);
    await beat(limits, 'a', { downloads: NO_DOWNLOADS });
    expect([limitOf('a'), limitOf('b')]).toEqual([null, 5_000_000]);
  });

  it('lowers before it raises: together the hives never have more', async () => {
    for (const id of ['a', 'b', 'c']) addHive(id);
    const limits = limitsWith(90);
    await arriveAll(limits);
    for (const id of ['a', 'b']) await beat(limits, id, { downloads: DOWNLOADING });
    await limits.setBudget(60);
    await beat(limits, 'a', { downloads: NO_DOWNLOADS });
    await beat(limits, 'a', { downloads: DOWNLOADING });
    await limits.setBudget(80);
    await limits.setBudget(60);
    expect(most).toBe(80);
    expect([limitOf('a'), limitOf('b'), limitOf('c')]).toEqual([30, 30, null]);
  });

  it('goes to the hive that can use it, and back when the other can again', async () => {
    addHive('a');
    addHive('b');
    const limits = limitsWith(100_000_000);
    await arriveAll(limits);
    await beat(limits, 'a', { downloads: DOWNLOADING });
    await beat(limits, 'b', { downloads: DOWNLOADING });
    expect([limitOf('a'), limitOf('b')]).toEqual([50_000_000, 50_000_000]);
    clock.advance(10_000);
    change('b', { speed_bps: 50_000_000 });
    await beat(limits, 'a', { speed_bps: 10_000_000 });
    expect([limitOf('a'), limitOf('b')]).toEqual([15_000_000, 85_000_000]);
    clock.advance(10_000);
    change('b', { speed_bps: 84_000_000 });
    await beat(limits, 'a', { speed_bps: 15_000_000 });
    expect([limitOf('a'), limitOf('b')]).toEqual([50_000_000, 50_000_000]);
  });

  it('raises no hive while another that must be lowered cannot be reached', async () => {
    addHive('a');
    addHive('b');
    const limits = limitsWith(100_000_000);
    await arriveAll(limits);
    await beat(limits, 'a', { downloads: DOWNLOADING });
    await beat(limits, 'b', { downloads: DOWNLOADING });
    clock.advance(10_000);
    change('b', { speed_bps: 50_000_000 });
    unreachable.add('a');
    await beat(limits, 'a', { speed_bps: 10_000_000 });
    expect([limitOf('a'), limitOf('b')]).toEqual([50_000_000, 50_000_000]);
    unreachable.clear();
    await beat(limits, 'a', {});
    expect([limitOf('a'), limitOf('b')]).toEqual([15_000_000, 85_000_000]);
  });

  it('is divided once more for all changes during a slow response, however many they are', async () => {
    addHive('a');
    const limits = limitsWith(100);
    await arriveAll(limits);
    await beat(limits, 'a', { downloads: DOWNLOADING });
    const begun = Promise.withResolvers<void>();
    const late = Promise.withResolvers<void>();
    const sent: string[] = [];
    onGive = (id) => {
      sent.push(id);
      begun.resolve();
      return late.promise;
    };
    const rounds = [limits.setBudget(50)];
    await begun.promise;
    unreachable.add('a');
    for (let count = 0; count < 100; count += 1) {
      rounds.push(limits.setBudget(51 + count));
      limits.onHeartbeat(change('a', {}));
      clock.advance(100);
    }
    late.resolve();
    await Promise.all(rounds);
    expect(sent).toEqual(['a', 'a']);
    unreachable.clear();
    await beat(limits, 'a', {});
    expect(limitOf('a')).toBe(150);
  });

  it('never sends 0 to a hive, which would be no limit at all', async () => {
    for (const id of ['a', 'b', 'c']) addHive(id);
    const limits = limitsWith(1);
    await arriveAll(limits);
    for (const id of ['a', 'b', 'c']) await beat(limits, id, { downloads: DOWNLOADING });
    expect(['a', 'b', 'c'].map(limitOf)).toEqual([1, 1, 1]);
  });
});

describe('the limits of a hive', () => {
  it('are sent again to a restarted hive, also by the next queen', async () => {
    addHive('a');
    const limits = limitsWith(null);
    await arriveAll(limits);
    await limits.change(hiveNamed('a'), { max_bandwidth: 7, max_concurrent_downloads: 1 });
    expect(has.get('a')).toEqual({ max_bandwidth: 7, max_concurrent_downloads: 1 });
    has.set('a', { max_bandwidth: null, max_concurrent_downloads: 3 });
    await limitsWith(null).onArrival(hiveNamed('a'));
    expect(has.get('a')).toEqual({ max_bandwidth: 7, max_concurrent_downloads: 1 });
  });

  it('wait for an offline hive', async () => {
    addHive('a');
    const limits = limitsWith(null);
    const away = change('a', { online: false });
    await limits.change(away, { max_bandwidth: 7 });
    expect(limitOf('a')).toBeNull();
    await limits.onArrival(change('a', { online: true }));
    expect(limitOf('a')).toBe(7);
  });

  it('bound its share of the budget', async () => {
    addHive('a');
    const limits = limitsWith(100);
    await arriveAll(limits);
    await limits.change(hiveNamed('a'), { max_bandwidth: 7 });
    await beat(limits, 'a', { downloads: DOWNLOADING });
    expect(limitOf('a')).toBe(7);
    await limits.change(hiveNamed('a'), { max_bandwidth: null });
    expect(limitOf('a')).toBe(100);
  });

  it('set at the hive are distinguished from a share by a queen that was killed during a download', async () => {
    addHive('a', 40);
    const limits = limitsWith(10);
    await arriveAll(limits);
    await beat(limits, 'a', { downloads: DOWNLOADING });
    expect(limitOf('a')).toBe(10);
    const next = limitsWith(null);
    await next.onArrival(hiveNamed('a'));
    expect(limitOf('a')).toBe(40);
    has.set('a', { max_bandwidth: 20, max_concurrent_downloads: 3 });
    await next.onArrival(hiveNamed('a'));
    expect(limitOf('a')).toBe(20);
  });
});

describe('a hive that is forgotten', () => {
  it('leaves nothing behind: names that come and go do not fill the memory', async () => {
    const limits = limitsWith(null);
    for (let count = 0; count < 100; count += 1) {
      addHive(`hive-${count}`, 5_000);
      const hive = hives.at(-1);
      if (hive) await limits.onArrival(hive);
      hives.pop();
      expect([...kept.keys()]).toEqual([`hive-${count}`]);
      limits.forget(`hive-${count}`);
    }
    expect(kept.size).toBe(0);
  });

  it('leaves nothing behind during a request for its limits either', async () => {
    addHive('a', 5_000);
    const limits = limitsWith(null);
    const asking = limits.onArrival(hiveNamed('a'));
    hives = [];
    limits.forget('a');
    await asking;
    expect([...kept.keys()]).toEqual([]);
  });
});

describe('a limit that is set at a hive itself', () => {
  /** A heartbeat that says which limit is in force. */
  async function report(limits: FleetLimits, id: string): Promise<void> {
    limits.onHeartbeat(change(id, {}), has.get(id)?.max_bandwidth ?? null);
    clock.advance(100);
    await limits.change(hiveNamed(id), {});
  }
  const setAt = (id: string, max_bandwidth: number | null) =>
    has.set(id, { ...(has.get(id) as RunTimeSettings), max_bandwidth });

  it.each([20_000_000, null])('[L10] to %s does not break the budget', async (limit) => {
    addHive('a');
    const limits = limitsWith(1_000_000);
    await arriveAll(limits);
    await beat(limits, 'a', { downloads: DOWNLOADING });
    setAt('a', limit);
    await report(limits, 'a');
    expect(limitOf('a')).toBe(1_000_000);
  });

  it('[L10] below its share is kept, and the rest goes to the others', async () => {
    for (const id of ['a', 'b']) addHive(id);
    const limits = limitsWith(100);
    await arriveAll(limits);
    for (const id of ['a', 'b']) await beat(limits, id, { downloads: DOWNLOADING });
    setAt('a', 10);
    await report(limits, 'a');
    await report(limits, 'b');
    expect([limitOf('a'), limitOf('b')]).toEqual([10, 90]);
    await beat(limits, 'a', { downloads: NO_DOWNLOADS });
    expect(limitOf('a')).toBe(10);
  });

  it('[L10] does not replace the one that the queen was given for this hive', async () => {
    addHive('a');
    const limits = limitsWith(null);
    await arriveAll(limits);
    await limits.change(hiveNamed('a'), { max_bandwidth: 70 });
    setAt('a', 500);
    await report(limits, 'a');
    expect(limitOf('a')).toBe(70);
  });

  it('[L10] is the limit of the hive where the queen has no other', async () => {
    addHive('a');
    const limits = limitsWith(null);
    await arriveAll(limits);
    setAt('a', 500);
    await report(limits, 'a');
    expect([limitOf('a'), kept.get('a')?.own]).toEqual([500, 500]);
  });

  it('[L10] is not mistaken for one that the queen sent, over a heartbeat from before it', async () => {
    addHive('a', 50_000_000);
    const limits = limitsWith(1_000_000);
    await arriveAll(limits);
    await beat(limits, 'a', { downloads: DOWNLOADING });
    // Sent by the hive before it got its share.
    limits.onHeartbeat(change('a', {}), 50_000_000);
    clock.advance(100);
    await limits.change(hiveNamed('a'), {});
    expect([limitOf('a'), kept.get('a')?.own]).toEqual([1_000_000, 50_000_000]);
  });

  it('[L10] is not looked for in the heartbeats of a hive that does not say', async () => {
    addHive('a');
    const limits = limitsWith(1_000_000);
    await arriveAll(limits);
    await beat(limits, 'a', { downloads: DOWNLOADING });
    await beat(limits, 'a', {});
    expect(limitOf('a')).toBe(1_000_000);
  });
});
