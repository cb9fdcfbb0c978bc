import { describe, expect, it } from 'vitest';
import { toSeconds, toTimestamp } from '../src/index.ts';

describe('times on the wire', () => {
  it('are RFC 3339 in UTC with milliseconds', () => {
    expect(toTimestamp(0)).toBe('1970-01-01T00:00:00.000Z');
    expect(toTimestamp(1_767_323_045_678)).toBe('2026-01-02T03:04:05.678Z');
  });

  it.each([
    [0, 0],
    [1_234, 1.234],
    [1.6, 0.002],
    [-5, 0],
  ])('%d ms are %d seconds', (ms, seconds) => {
    expect(toSeconds(ms)).toBe(seconds);
  });
});
