import { type Hive, RbeeError } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import { chooseHives, type Fleet } from '../../src/placement/choose-hive.ts';

function hive(hive_id: string, more: Partial<Hive> = {}): Hive {
  return {
    hive_id,
    hive_url: `http://${hive_id}:7835`,
    online: true,
    last_seen_at: null,
    version: null,
    active_downloads: 0,
    speed_bps: 0,
    free_bytes: null,
    ...more,
  };
}

function fleetOf(...hives: Hive[]): Fleet {
  return {
    list: () => hives,
    get(id) {
      const found = hives.find(({ hive_id }) => hive_id === id);
      if (!found) throw new RbeeError('HIVE_NOT_FOUND', `there is no hive ${id}`);
      return found;
    },
  };
}

const names = (fleet: Fleet, wish: Parameters<typeof chooseHives>[1]) =>
  chooseHives(fleet, wish).hives.map(({ hive_id }) => hive_id);

describe('the hives for an operation', () => {
  const fleet = fleetOf(
    hive('busy', { active_downloads: 3 }),
    hive('away', { online: false }),
    hive('idle', { active_downloads: 1 }),
    hive('idle-too', { active_downloads: 1 }),
  );

  it('are the online one with the fewest active downloads, when nothing is wished', () => {
    expect(names(fleet, undefined)).toEqual(['idle']);
    expect(chooseHives(fleet, undefined).why).toMatch(/fewest/);
  });

  it('are the ones named, each once', () => {
    expect(names(fleet, 'busy')).toEqual(['busy']);
    expect(names(fleet, ['busy', 'idle', 'busy'])).toEqual(['busy', 'idle']);
  });

  it('are all that are online, for "*"', () => {
    expect(names(fleet, '*')).toEqual(['busy', 'idle', 'idle-too']);
  });

  it.each([
    ['nobody', 'HIVE_NOT_FOUND'],
    ['away', 'HIVE_UNAVAILABLE'],
    [['idle', 'away'], 'HIVE_UNAVAILABLE'],
  ])('are refused for %j with %s', (wish, code) => {
    expect(() => chooseHives(fleet, wish)).toThrow(expect.objectContaining({ code }));
  });

  it('are HIVE_UNAVAILABLE where none is online', () => {
    const empty = fleetOf(hive('away', { online: false }));
    for (const wish of [undefined, '*']) {
      expect(() => chooseHives(empty, wish)).toThrow(expect.objectContaining({ code: 'HIVE_UNAVAILABLE' }));
    }
  });
});
