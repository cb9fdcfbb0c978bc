import { describe, expect, it } from 'vitest';
import { type Fleet, namedHives } from '../../src/placement/choice.ts';
import { fleetOf, hiveNamed as hive } from '../support/fake-hive.ts';

const names = (fleet: Fleet, wish: Parameters<typeof namedHives>[1]) =>
  namedHives(fleet, wish).hives.map(({ hive_id }) => hive_id);

describe('the hives that a request names', () => {
  const fleet = fleetOf(
    hive('busy', { active_downloads: 3 }),
    hive('away', { online: false }),
    hive('idle', { active_downloads: 1 }),
    hive('idle-too', { active_downloads: 1 }),
  );

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
    expect(() => namedHives(fleet, wish)).toThrow(expect.objectContaining({ code }));
  });

  it('are HIVE_UNAVAILABLE when all were requested and none is online', () => {
    const empty = fleetOf(hive('away', { online: false }));
    expect(() => namedHives(empty, '*')).toThrow(expect.objectContaining({ code: 'HIVE_UNAVAILABLE' }));
  });
});
