import { expect, it } from 'vitest';
import { ifRangeHolds, parseRange } from '../../src/hub/range.ts';

it.each([
  ['bytes=0-', { start: 0, end: 100 }],
  ['bytes=10-19', { start: 10, end: 20 }],
  ['bytes=99-99', { start: 99, end: 100 }],
  ['bytes=90-1000', { start: 90, end: 100 }],
  ['bytes=-10', { start: 90, end: 100 }],
  ['bytes=-1000', { start: 0, end: 100 }],
  ['bytes=100-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=20-10', null],
  ['bytes=-', null],
  ['bytes=0-1,5-6', null],
  ['items=0-1', null],
  [null, null],
])('reads the range %s of 100 bytes', (header, expected) => {
  expect(parseRange(header, 100)).toEqual(expected);
});

it('has a range count for the same strong ETag or date only', () => {
  const date = 'Wed, 01 Jan 2025 00:00:00 GMT';
  expect(ifRangeHolds(null, '"a"', date)).toBe(true);
  expect(ifRangeHolds('"a"', '"a"', date)).toBe(true);
  expect(ifRangeHolds('"b"', '"a"', date)).toBe(false);
  expect(ifRangeHolds('W/"a"', '"a"', date)).toBe(false);
  expect(ifRangeHolds(date, '"a"', date)).toBe(true);
  expect(ifRangeHolds('Thu, 02 Jan 2025 00:00:00 GMT', '"a"', date)).toBe(false);
});
