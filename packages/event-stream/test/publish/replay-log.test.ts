import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReplayLog } from '../../src/publish/replay-log.ts';

function logOf(count: number, limit: number) {
  const log = createReplayLog<number>({ epoch: 'e', limit });
  for (let event = 1; event <= count; event += 1) expect(log.append(event)).toBe(event);
  return log;
}

describe('a replay log', () => {
  it('answers what came after an id', () => {
    expect(logOf(5, 10).after('e.3')).toEqual({ kind: 'events', events: [4, 5] });
    expect(logOf(5, 10).after('e.5')).toEqual({ kind: 'events', events: [] });
  });

  it('answers everything to whoever has no id, or one of another epoch, or one it did not make', () => {
    for (const id of [null, 'other.4', 'e', 'e.x', 'e.-1', '', 'e.1.2']) {
      expect(logOf(3, 10).after(id)).toEqual({ kind: 'events', events: [1, 2, 3] });
    }
  });

  it('says aloud how many are gone', () => {
    expect(logOf(10, 4).after('e.2')).toEqual({ kind: 'gap', missed: 4, events: [7, 8, 9, 10] });
    expect(logOf(10, 4).after(null)).toEqual({ kind: 'gap', missed: 6, events: [7, 8, 9, 10] });
    expect(logOf(10, 4).after('e.6')).toEqual({ kind: 'events', events: [7, 8, 9, 10] });
  });

  it('drops all but the newest when it is told to, says so, and goes on', () => {
    const log = logOf(10, 4);
    log.dropOlder();
    expect(log.after(null)).toEqual({ kind: 'gap', missed: 9, events: [10] });
    expect(log.after('e.10')).toEqual({ kind: 'events', events: [] });
    for (let event = 11; event <= 15; event += 1) {
      expect(log.append(event)).toBe(event);
      expect(log.firstSequence).toBe(Math.max(10, event - 3));
    }
    expect(log.after(null)).toEqual({ kind: 'gap', missed: 11, events: [12, 13, 14, 15] });
    const empty = logOf(0, 4);
    empty.dropOlder();
    expect([empty.append(1), empty.at(1)]).toEqual([1, 1]);
  });

  it('never keeps more than its limit and never invents or reorders', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.integer({ min: 1, max: 20 }), fc.nat(70), (count, limit, had) => {
        const replay = logOf(count, limit).after(`e.${had}`);
        const all = Array.from({ length: count }, (_, index) => index + 1);
        const wanted = all.filter((event) => event > had);
        const kept = wanted.slice(-limit);
        expect(replay.events).toEqual(kept);
        expect(replay.kind === 'gap' ? replay.missed : 0).toBe(wanted.length - kept.length);
      }),
    );
  });

  it.each([0, -1, 1.5, Number.NaN])('a limit of %d is refused', (limit) => {
    expect(() => createReplayLog({ epoch: 'e', limit })).toThrow('at least one');
  });
});
