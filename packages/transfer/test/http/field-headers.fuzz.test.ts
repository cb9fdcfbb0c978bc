import { parseRetryAfter, RbeeError } from '@rbee/contract';
import { answerOf, hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packingOf } from '../../src/http/content-encoding.ts';
import { parseContentRange } from '../../src/http/content-range.ts';
import { errorOfStatus } from '../../src/http/http-error.ts';
import { blamesRange } from '../../src/http/range-refusal.ts';
import { retryDelay } from '../../src/index.ts';

const RANGE = [
  'bytes',
  'Bytes',
  ' ',
  '=',
  ':',
  '0',
  '5',
  '-',
  '/',
  '*',
  '10',
  '9'.repeat(15),
  '9'.repeat(20),
  '\t',
  ',',
] as const;

describe('Content-Range', () => {
  it('is a range within the file, or nothing', () => {
    fc.assert(
      fc.property(hostileText(RANGE), fc.option(fc.nat(20), { nil: null }), (text, size) => {
        const read = answerOf(() => parseContentRange(text, size));
        if ('code' in read || read.value === null) return;
        const { start, end, total } = read.value;
        expect(start).toBeGreaterThanOrEqual(0);
        expect(end).toBeGreaterThan(start);
        expect(end).toBeLessThanOrEqual(total ?? size ?? Number.MAX_SAFE_INTEGER);
        expect([start, end].every(Number.isSafeInteger)).toBe(true);
      }),
    );
  });

  it('is read in each of its forms as in the right one', () => {
    const bytes = fc.tuple(fc.nat(1e12), fc.integer({ min: 1, max: 1e9 }), fc.nat(1e9));
    const space = fc.constantFrom('', ' ', '  ', '\t');
    const unit = fc.constantFrom('bytes ', 'bytes=', 'Bytes ', 'BYTES: ', 'bytes', '');
    fc.assert(
      fc.property(bytes, space, unit, ([start, length, rest], gap, name) => {
        const end = start + length;
        const total = end + rest;
        const text = `${gap}${name}${start}${gap}-${gap}${end - 1}${gap}/${gap}${total}${gap}`;
        expect(parseContentRange(text, null)).toEqual({ start, end, total });
        expect(parseContentRange(`${name}${start}-${total}/${total}`, null)).toEqual({ start, end: total, total });
        expect(parseContentRange(`${name}${start}-/${total}`, null)).toEqual({ start, end: total, total });
      }),
    );
  });
});

describe('Content-Encoding', () => {
  const words = ['gzip', 'GZIP', 'br', 'identity', 'aws-chunked', 'utf-8', ',', ' ', '', ';q=0', 'x-gzip'] as const;

  it('is a packing only where one of the known ones is named', () => {
    const name = fc.constantFrom('model.bin', 'model.tar.gz', 'a.br');
    fc.assert(
      fc.property(hostileText(words as never), name, (text, file) => {
        const packing = packingOf({ 'content-encoding': text }, file);
        if (packing === null) return;
        for (const token of packing.split(', '))
          expect(token).toMatch(/^(?:x-)?(?:gzip|compress)$|^(?:deflate|br|zstd|dc[bz])$/i);
      }),
    );
  });

  it('means the same in one header and in several', () => {
    const lines = fc.array(fc.constantFrom(...words), { maxLength: 5 });
    fc.assert(
      fc.property(lines, (all) => {
        const joined = packingOf({ 'content-encoding': all.join(',') }, 'model.bin');
        expect(packingOf({ 'content-encoding': all }, 'model.bin')).toBe(joined);
      }),
    );
  });
});

describe('a wait', () => {
  const words = [
    '1',
    '120',
    '-',
    '.',
    'Wed, ',
    '21 Oct 2015 ',
    '07:28:00',
    ' GMT',
    '9'.repeat(12),
    'e9',
    ' ',
    '+',
    ';r=0',
    ';t=',
    '"api"',
    ',',
  ] as const;

  it('that any server names is finite, at most five minutes, and never shorter than the backoff', () => {
    const rule = { attempts: 6, baseDelayMs: 100, maxDelayMs: 30_000 };
    fc.assert(
      fc.property(hostileText(words), hostileText(words), fc.constantFrom(429, 503), (after, limit, status) => {
        expect(parseRetryAfter(after, 1_000) ?? 0).toBeGreaterThanOrEqual(0);
        const error = errorOfStatus(status, { 'retry-after': after, ratelimit: limit });
        expect(error).toBeInstanceOf(RbeeError);
        const decision = retryDelay(error, { inRow: 1, sameCode: 1, quietMs: 0 }, rule, () => 0.5);
        if (!decision.retry) throw new Error('it is retried');
        expect(decision.delayMs).toBeGreaterThanOrEqual(100);
        expect(decision.delayMs).toBeLessThanOrEqual(300_000);
      }),
    );
  });
});

describe('the text of a refusal', () => {
  it('is read in time, whatever it is', () => {
    const words = ['invalid', 'range', ' ', 'not satisfiable', '<Code>', 'Invalid', 'Range', '-', 'supported'] as const;
    fc.assert(
      fc.property(hostileText(words), (text) => typeof answerOf(() => blamesRange(text.slice(0, 2_048))) === 'object'),
    );
  });
});
