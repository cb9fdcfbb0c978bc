import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReplayLog, type ReplayLog } from '../../src/publish/replay-log.ts';

function logOf(count: number, limit: number) {
  const log = createReplayLog<number>(limit);
  for (let event = 1; event <= count; event += 1) expect(log.append(event)).toBe(event);
  return log;
}

/** The kept events, oldest first. */
function keptIn({ firstSequence, lastSequence, at }: ReplayLog<number>): (number | undefined)[] {
  return Array.from({ length: lastSequence - firstSequence + 1 }, (_, index) => at(firstSequence + index));
}

describe('a replay log', () => {
  it('has an event at each kept sequence, and nothing before or after', () => {
    const log = logOf(10, 4);
    expect([log.firstSequence, log.lastSequence]).toEqual([7, 10]);
    expect(keptIn(log)).toEqual([7, 8, 9, 10]);
    for (const sequence of [0, 6, 11]) expect(log.at(sequence)).toBeUndefined();
  });

  it('drops all except the newest on request, and continues to count', () => {
    const log = logOf(10, 4);
    log.dropOlder();
    expect(keptIn(log)).toEqual([10]);
    for (let event = 11; event <= 15; event += 1) {
      expect(log.append(event)).toBe(event);
      expect(log.firstSequence).toBe(Math.max(10, event - 3));
    }
    expect(keptIn(log)).toEqual([12, 13, 14, 15]);
    const empty = logOf(0, 4);
    empty.dropOlder();
    expect([empty.append(1), empty.at(1)]).toEqual([1, 1]);
  });

  it('never keeps more than its limit, and never invents or reorders', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.integer({ min: 1, max: 20 }), (count, limit) => {
        const all = Array.from({ length: count }, (_, index) => index + 1);
        expect(keptIn(logOf(count, limit))).toEqual(all.slice(-limit));
      }),
    );
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses a limit of %d', (limit) => {
    expect(() => createReplayLog(limit)).toThrow('at least one');
  });
});
