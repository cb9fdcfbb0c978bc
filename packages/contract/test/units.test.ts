import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatSeconds,
  formatSpeed,
  parseBandwidth,
  parseDuration,
  percentOf,
  RbeeError,
} from '../src/index.ts';

function refusalOf(read: () => unknown): RbeeError {
  try {
    read();
  } catch (error) {
    if (error instanceof RbeeError) return error;
    throw error;
  }
  throw new Error('it was read');
}

describe('parseBandwidth', () => {
  it.each<[string | number, number | null]>([
    [0, null],
    ['0', null],
    ['0MB/s', null],
    ['unlimited', null],
    [' unlimited ', null],
    [1, 1],
    [1_500_000, 1_500_000],
    ['1500000', 1_500_000],
    ['100B/s', 100],
    ['5kB/s', 5_000],
    ['5KB/s', 5_000],
    ['50MB/s', 50_000_000],
    ['50 MB/s', 50_000_000],
    ['50MB', 50_000_000],
    ['1.5GB/s', 1_500_000_000],
    ['2TB/s', 2_000_000_000_000],
    ['1KiB/s', 1_024],
    ['1.5MiB/s', 1_572_864],
    ['1GiB/s', 1_073_741_824],
    ['1TiB/s', 1_099_511_627_776],
    ['400Mbit/s', 50_000_000],
    ['1Gbit/s', 125_000_000],
    ['64kbit/s', 8_000],
    ['9bit/s', 1],
    ['1bit/s', 1],
    [0.2, 1],
  ])('reads %j as %j', (text, bytesPerSecond) => {
    expect(parseBandwidth(text)).toBe(bytesPerSecond);
  });

  it.each<string | number>([
    '',
    ' ',
    'fast',
    '-1',
    -1,
    '+5MB/s',
    '.5MB/s',
    '5.MB/s',
    '1e6',
    '0x10',
    '50 MB / s',
    '50MB/h',
    '50mb/s',
    '50Mbps',
    '5 constructor',
    '50MB/s extra',
    '9007199254740993',
    '9999999TB/s',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e21,
  ])('refuses %j and shows how to write it', (text) => {
    const error = refusalOf(() => parseBandwidth(text));
    expect(error.code).toBe('REQUEST_INVALID');
    expect(error.hint).toContain('50MB/s');
  });

  it('takes back every whole number of bytes per second', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        const read = bytes === 0 ? null : bytes;
        expect(parseBandwidth(bytes)).toBe(read);
        expect(parseBandwidth(`${bytes}`)).toBe(read);
        expect(parseBandwidth(`${bytes}B/s`)).toBe(read);
      }),
    );
  });

  it('answers any text with a positive whole number, null or REQUEST_INVALID', () => {
    const piece = fc.constantFrom('0', '7', '.', 'M', 'B', 'i', 'bit', '/s', ' ', '-', 'e', 'unlimited');
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(text, (input) => {
        let value: number | null = null;
        try {
          value = parseBandwidth(input);
        } catch (error) {
          expect(error).toMatchObject({ name: 'RbeeError', code: 'REQUEST_INVALID' });
        }
        expect(value === null || (Number.isSafeInteger(value) && value > 0)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('repeats no more than a little of a text that it does not understand', () => {
    expect(refusalOf(() => parseBandwidth('x'.repeat(100_000))).message.length).toBeLessThan(100);
  });
});

describe('parseDuration', () => {
  it.each([
    ['0s', 0],
    ['100ms', 100],
    ['1.5s', 1_500],
    ['10s', 10_000],
    ['5m', 300_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
    [' 10s ', 10_000],
    ['0.4ms', 0],
  ])('reads %j as %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '10', 's', '-1s', '10 s', '10sec', '1h30m', '10S', '1e3s', '.5s', '99999999999999999d'])(
    'refuses %j and shows how to write it',
    (text) => {
      const error = refusalOf(() => parseDuration(text));
      expect(error.code).toBe('REQUEST_INVALID');
      expect(error.hint).toContain('10s');
    },
  );

  it('takes back every whole number of a unit', () => {
    const units: [string, number][] = [
      ['ms', 1],
      ['s', 1e3],
      ['m', 6e4],
      ['h', 36e5],
      ['d', 864e5],
    ];
    fc.assert(
      fc.property(fc.nat({ max: 1_000_000 }), fc.constantFrom(...units), (count, [unit, factor]) => {
        expect(parseDuration(`${count}${unit}`)).toBe(count * factor);
      }),
    );
  });
});

describe('formatBytes and formatSpeed', () => {
  it.each([
    [0, '0 B'],
    [17, '17 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [1_049, '1.0 kB'],
    [412_500_000, '412.5 MB'],
    [999_949, '999.9 kB'],
    [999_950, '1.0 MB'],
    [999_999_999, '1.0 GB'],
    [1e12, '1.0 TB'],
    [2.5e15, '2.5 PB'],
    [5e18, '5000.0 PB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
    expect(formatSpeed(bytes)).toBe(`${text}/s`);
  });

  it('prints what reads back to the same size, to half of the last digit', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        const match = /^(\d{1,3}(?:\.\d)?) (B|kB|MB|GB|TB|PB)$/.exec(formatBytes(bytes));
        const factor = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 }[match?.[2] ?? ''] ?? Number.NaN;
        expect(Math.abs(Number(match?.[1]) * factor - bytes)).toBeLessThanOrEqual(factor * 0.0501);
      }),
    );
  });

  it('prints speeds that can be given back as a limit, for the units that a limit takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e13 }), (bytes) => {
        const read = parseBandwidth(formatSpeed(bytes));
        expect(Math.abs((read ?? 0) - bytes)).toBeLessThanOrEqual(Math.max(0, bytes * 0.0501));
      }),
    );
  });
});

describe('formatSeconds', () => {
  it.each([
    [-5, '0s'],
    [0, '0s'],
    [0.4, '0s'],
    [42, '42s'],
    [59.6, '1m00s'],
    [187, '3m07s'],
    [3_599, '59m59s'],
    [3_600, '1h00m'],
    [3_720, '1h02m'],
    [86_399, '23h59m'],
    [86_400, '1d00h'],
    [187_200, '2d04h'],
    [8_640_000, '100d00h'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });
});

describe('a percentage', () => {
  it.each([
    [0, 1_000, 0],
    [647, 1_000, 64.7],
    [9_999, 10_000, 99.9],
    [10_000, 10_000, 100],
    [0, 0, 100],
    [5, null, null],
  ])('%s of %s is %s percent: 100 only when all is there', (bytes, total, percent) => {
    expect(percentOf(bytes, total)).toBe(percent);
  });
});
