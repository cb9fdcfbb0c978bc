import { describe, expect, test } from 'vitest';
import { rangeHeaders } from '../../src/http/range-form.ts';
import { checkHead, type RangeRequest } from '../../src/http/response-head.ts';

const whole: RangeRequest = {
  url: 'https://cdn.example/model.bin',
  headers: {},
  start: 0,
  size: 1_000,
  validator: null,
  isVerified: true,
  name: 'model.bin',
};
const rest: RangeRequest = { ...whole, start: 400, validator: '"v1"' };
const unproven: RangeRequest = { ...rest, isVerified: false };
const part = { 'content-range': 'bytes 400-999/1000', 'content-length': '600', etag: '"v1"' };

describe('the headers of a request', () => {
  test('request identity encoding, and the rest only of the same version', () => {
    const identity = { 'accept-encoding': 'identity' };
    const unproven = { ...rest, isVerified: false };
    expect(rangeHeaders(whole)).toEqual({ ...identity, range: 'bytes=0-' });
    expect(rangeHeaders({ ...whole, size: 0 })).toEqual(identity);
    expect(rangeHeaders(unproven)).toEqual({ ...identity, range: 'bytes=400-', 'if-range': '"v1"' });
    expect(rangeHeaders(unproven, 'loose')).toEqual({ ...identity, range: 'bytes=400-' });
    expect(rangeHeaders(unproven, 'whole')).toEqual(identity);
    expect(rangeHeaders(rest)).toEqual({ ...identity, range: 'bytes=400-' });
  });
});

describe('an accepted response', () => {
  test.each([
    [
      'the whole file',
      whole,
      200,
      { 'content-length': '1000' },
      { start: 0, end: 1_000, total: 1_000, validator: null },
    ],
    ['the rest', rest, 206, part, { start: 400, end: 1_000, total: 1_000, validator: '"v1"' }],
    [
      'less than the rest',
      rest,
      206,
      { ...part, 'content-range': 'bytes 400-499/1000', 'content-length': '100' },
      { start: 400, end: 500, total: 1_000, validator: '"v1"' },
    ],
    [
      'the whole file instead of the rest',
      rest,
      200,
      { 'content-length': '1000', etag: '"v1"' },
      { start: 0, end: 1_000, total: 1_000, validator: '"v1"' },
    ],
    [
      'nothing, where every byte is there',
      { ...rest, start: 1_000 },
      416,
      { 'content-range': 'bytes */1000' },
      { start: 1_000, end: 1_000, total: 1_000, validator: '"v1"' },
    ],
    [
      'a file whose size only the server knows',
      { ...whole, size: null },
      200,
      { 'content-length': '77', etag: '"v7"' },
      { start: 0, end: 77, total: 77, validator: '"v7"' },
    ],
    [
      'a chunked body of unknown size',
      { ...whole, size: null, isVerified: false },
      200,
      { 'transfer-encoding': 'chunked' },
      { start: 0, end: null, total: null, validator: null },
    ],
    [
      'a page that is wanted',
      { ...whole, name: 'index.html', size: null },
      200,
      { 'content-type': 'text/html', 'content-length': '5' },
      { start: 0, end: 5, total: 5, validator: null },
    ],
    [
      'a file that is labelled as a page but has its size',
      whole,
      200,
      { 'content-type': 'text/html', 'content-length': '1000' },
      { start: 0, end: 1_000, total: 1_000, validator: null },
    ],
  ])('has %s', (_what, request, status, headers, head) => {
    expect(checkHead(request, status, headers)).toEqual(head);
  });
});

describe('a refused response', () => {
  test.each([
    ['a part without Content-Range', rest, 206, { etag: '"v1"' }, 'DOWNLOAD_FAILED'],
    ['a part from elsewhere', rest, 206, { ...part, 'content-range': 'bytes 401-999/1000' }, 'DOWNLOAD_FAILED'],
    ['a part beyond the end', rest, 206, { ...part, 'content-range': 'bytes 400-1001/1000' }, 'DOWNLOAD_FAILED'],
    ['a part of another size', rest, 206, { ...part, 'content-range': 'bytes 400-1999/2000' }, 'DOWNLOAD_FAILED'],
    ['a part with a wrong length', rest, 206, { ...part, 'content-length': '601' }, 'DOWNLOAD_FAILED'],
    ['a part of another version', unproven, 206, { ...part, etag: '"v2"' }, 'SOURCE_CHANGED'],
    ['a whole file of another version', unproven, 200, { etag: '"v2"', 'content-length': '1000' }, 'SOURCE_CHANGED'],
    ['an end before ours', rest, 416, { 'content-range': 'bytes */300' }, 'SOURCE_CHANGED'],
    [
      'a part without the ETag, where no digest is known',
      { ...rest, isVerified: false },
      206,
      { ...part, etag: undefined },
      'DOWNLOAD_FAILED',
    ],
    ['a file of another size', whole, 200, { 'content-length': '999' }, 'DOWNLOAD_FAILED'],
    ['a body packed on the way', whole, 200, { 'content-encoding': 'gzip' }, 'DOWNLOAD_FAILED'],
    [
      'a packed body, where no digest is known',
      { ...whole, isVerified: false },
      200,
      { 'content-encoding': 'gzip', 'content-length': '1000' },
      'DOWNLOAD_FAILED',
    ],
    ['a page', { ...whole, size: null }, 200, { 'content-type': 'text/html; charset=utf-8' }, 'DOWNLOAD_FAILED'],
    [
      'a page with an ETag of its own',
      rest,
      200,
      { 'content-type': 'text/html', 'content-length': '77', etag: '"page"' },
      'DOWNLOAD_FAILED',
    ],
    ['a chunked page', whole, 200, { 'content-type': 'text/html' }, 'DOWNLOAD_FAILED'],
    ['no length at all', { ...whole, size: null, isVerified: false }, 200, {}, 'DOWNLOAD_FAILED'],
    ['no content', whole, 204, {}, 'DOWNLOAD_FAILED'],
    ['416 to a request without a range', whole, 416, {}, 'DOWNLOAD_FAILED'],
  ])('has %s', (_what, request, status, headers, code) => {
    expect(() => checkHead(request, status, headers)).toThrow(expect.objectContaining({ code }));
  });
});
