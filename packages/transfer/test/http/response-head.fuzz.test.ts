import { parseRetryAfter } from '@rbee/contract';
import { nextHop, strongEtag } from '@rbee/http';
import { answerOf, hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorOfStatus } from '../../src/http/http-error.ts';
import { checkHead } from '../../src/http/response-head.ts';

const RANGE = [
  'bytes ',
  '0',
  '5',
  '-',
  '/',
  '*',
  '10',
  '9'.repeat(15),
  '9'.repeat(20),
  ' ',
  ',',
  '"v1"',
  'W/',
  'bytes 5-9/10',
] as const;
const value = fc.option(hostileText(RANGE), { nil: undefined });

describe('the head of a response', () => {
  it('is accepted only for requested bytes, else refused with a code', () => {
    const headers = fc.record({
      'content-range': fc.oneof(
        value,
        fc.tuple(fc.nat(12), fc.nat(12), fc.nat(12)).map(([a, b, c]) => `bytes ${a}-${b}/${c}`),
      ),
      'content-length': fc.oneof(value, fc.nat(12).map(String)),
      'content-encoding': fc.oneof(value, fc.constantFrom('identity', 'gzip', 'aws-chunked', '', 'gzip, br')),
      'content-type': fc.constantFrom(undefined, 'text/html', 'application/octet-stream'),
      'transfer-encoding': fc.constantFrom(undefined, 'chunked'),
      etag: fc.oneof(value, fc.constant('"v1"')),
      'retry-after': value,
    });
    const asked = fc.record({
      start: fc.nat(10),
      length: fc.option(fc.integer({ min: 1, max: 10 }), { nil: null }),
      size: fc.option(fc.integer({ min: 1, max: 12 }), { nil: null }),
      validator: fc.constantFrom(null, '"v1"'),
      isVerified: fc.boolean(),
    });
    const status = fc.oneof(fc.constantFrom(200, 206, 416), fc.integer({ min: 100, max: 599 }));
    fc.assert(
      fc.property(asked, status, headers, ({ length, ...rest }, code, given) => {
        const end = length === null ? null : rest.start + length;
        const request = { url: 'https://h/f', headers: {}, name: 'f', end, ...rest };
        const read = answerOf(() => checkHead(request, code, given));
        if ('code' in read) return;
        const head = read.value;
        expect([0, request.start]).toContain(head.start);
        expect(head.lead ?? 1).toBeGreaterThan(0);
        expect(head.tail ?? 1).toBeGreaterThan(0);
        if (head.end !== null) expect(head.end).toBeGreaterThanOrEqual(head.start);
        if (head.end !== null && head.total !== null) expect(head.end).toBeLessThanOrEqual(head.total);
        // A part of nothing but the whole file is taken for the whole file.
        const isWhole = head.start < request.start;
        if (code === 206 && !isWhole) expect(head.end).toBeLessThanOrEqual(end ?? Number.POSITIVE_INFINITY);
        expect(strongEtag(head.validator)).toBe(head.validator);
      }),
    );
  });

  it('of a refusal is one error with a finite wait', () => {
    const words = hostileText([
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
    ]);
    fc.assert(
      fc.property(words, fc.integer({ min: 300, max: 599 }), (text, status) => {
        const waitMs = parseRetryAfter(text, 1_000);
        if (waitMs !== null) expect(Number.isFinite(waitMs) && waitMs >= 0).toBe(true);
        const { retryAfterMs } = errorOfStatus(status, { 'retry-after': text });
        expect(retryAfterMs === undefined || Number.isFinite(retryAfterMs)).toBe(true);
      }),
    );
  });

  it('of a redirect leads to https, or from http to http, or is refused without naming the target', () => {
    const location = hostileText([
      'http://',
      'https://',
      'file:///',
      '//',
      'host',
      '/',
      '..',
      '?token=hush',
      '#',
      ':80',
      'user:hush@',
      '[::1]',
      '\\',
      ' ',
      '%00',
      'javascript:',
      'data:,',
    ]);
    fc.assert(
      fc.property(location, fc.constantFrom('http://from.example/a', 'https://from.example/a'), (text, from) => {
        try {
          const to = nextHop(new URL(from), { location: text });
          expect(to.protocol === 'https:' || (to.protocol === 'http:' && from.startsWith('http:'))).toBe(true);
        } catch (error) {
          const { code, message } = error as { code?: string; message: string };
          expect(['SOURCE_NOT_ALLOWED', 'DOWNLOAD_FAILED']).toContain(code);
          expect(message).not.toContain('hush');
        }
      }),
    );
  });
});
