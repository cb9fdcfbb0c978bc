import { expect, it } from 'vitest';
import { createManualClock } from '../src/manual-clock.ts';

it('moves only when told, and calls timers in time order, each at its own time', () => {
  const clock = createManualClock(1000);
  const calls: string[] = [];
  const note = (name: string) => (): number => calls.push(`${name} at ${clock.now()}`);
  clock.setTimer(30, note('c'));
  clock.setTimer(10, note('a'));
  clock.setTimer(20, note('b'));
  clock.setTimer(20, note('b2'));
  expect(clock.pending).toBe(4);
  clock.advance(9);
  expect(calls).toEqual([]);
  clock.advance(15);
  expect(calls).toEqual(['a at 1010', 'b at 1020', 'b2 at 1020']);
  expect(clock.now()).toBe(1024);
  clock.advance(6);
  expect(calls.at(-1)).toBe('c at 1030');
  expect(clock.pending).toBe(0);
});

it('calls timers that timers set, as far as they fall due', () => {
  const clock = createManualClock(0);
  const ticks: number[] = [];
  const tick = (): void => {
    ticks.push(clock.now());
    clock.setTimer(10, tick);
  };
  clock.setTimer(10, tick);
  clock.advance(35);
  expect(ticks).toEqual([10, 20, 30]);
  expect(clock.pending).toBe(1);
});

it('does not call what was cancelled, before or by another timer', () => {
  const clock = createManualClock(0);
  const calls: string[] = [];
  clock.setTimer(5, () => calls.push('early'))();
  const late = clock.setTimer(20, () => calls.push('late'));
  clock.setTimer(10, () => late());
  clock.advance(100);
  late();
  expect(calls).toEqual([]);
  expect(clock.pending).toBe(0);
});

it('refuses to go back, and says so of a timer that never lets time pass', () => {
  const clock = createManualClock(0);
  expect(() => clock.advance(-1)).toThrow('cannot be advanced');
  const again = (): void => {
    clock.setTimer(0, again);
  };
  again();
  expect(() => clock.advance(1)).toThrow('timers in one advance');
});
