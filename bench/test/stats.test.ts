import { describe, expect, test } from 'vitest';
import { median, medianOrNull, medianRatio } from '../src/stats.ts';

describe('median', () => {
  test('takes the middle one whatever the order', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([3])).toBe(3);
  });

  test('takes the mean of the two in the middle', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test('sorts numbers as numbers and leaves the input alone', () => {
    const values = [10, 9, 100];
    expect(median(values)).toBe(10);
    expect(values).toEqual([10, 9, 100]);
  });

  test('refuses nothing at all', () => {
    expect(() => median([])).toThrow('no values to take a median of');
  });
});

describe('medianOrNull', () => {
  test('is unknown when one value is', () => {
    expect(medianOrNull([1, null, 3])).toBeNull();
    expect(medianOrNull([])).toBeNull();
    expect(medianOrNull([1, 2, 3])).toBe(2);
  });
});

describe('medianRatio', () => {
  test('compares within a round, so that a slow round of the machine does not count', () => {
    // The second round was at half the speed for both. The ratio of the medians would be 1.5 here.
    expect(medianRatio([300, 100, 200], [150, 50, 100])).toBe(2);
    expect(medianRatio([100, 50, 90], [100, 25, 60])).toBe(1.5);
  });

  test('refuses rounds that one side did not run', () => {
    expect(() => medianRatio([1, 2], [1])).toThrow('both sides');
  });
});
