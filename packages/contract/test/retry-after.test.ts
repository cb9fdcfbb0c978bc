import { describe, expect, test } from 'vitest';
import { parseRetryAfter } from '../src/index.ts';

describe('a Retry-After', () => {
  test.each([
    ['120', 120_000],
    ['0', 0],
    ['Thu, 01 Jan 1970 00:00:09 GMT', 8_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', null],
    ['-5', null],
    ['1.5', null],
    ['99999999999999999999', null],
    [null, null],
  ])('of %j is %j ms', (value, expected) => {
    expect(parseRetryAfter(value, 1_000)).toBe(expected);
  });
});
