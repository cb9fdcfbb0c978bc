import { RbeeError } from '@rbee/contract';
import { describe, expect, test } from 'vitest';
import { errorOfConnection, errorOfStatus } from '../../src/http/http-error.ts';

describe('a status', () => {
  test.each([
    [400, 'DOWNLOAD_FAILED'],
    [401, 'MODEL_ACCESS_DENIED'],
    [403, 'MODEL_ACCESS_DENIED'],
    [404, 'MODEL_NOT_FOUND'],
    [408, 'SOURCE_UNAVAILABLE'],
    [410, 'MODEL_NOT_FOUND'],
    [418, 'DOWNLOAD_FAILED'],
    [429, 'SOURCE_UNAVAILABLE'],
    [500, 'SOURCE_UNAVAILABLE'],
    [503, 'SOURCE_UNAVAILABLE'],
    [204, 'DOWNLOAD_FAILED'],
  ])('%i is %s', (status, code) => {
    expect(errorOfStatus(status, {})).toMatchObject({ code, details: { status }, retryAfterMs: undefined });
  });

  test('brings its Retry-After along', () => {
    expect(errorOfStatus(503, { 'retry-after': '7' }).retryAfterMs).toBe(7_000);
    const now = () => Date.parse('Wed, 21 Oct 2015 07:28:00 GMT');
    expect(errorOfStatus(429, { 'retry-after': 'Wed, 21 Oct 2015 07:28:30 GMT' }, now).retryAfterMs).toBe(30_000);
  });
});

describe('an exhausted quota', () => {
  test.each([
    ['"resolvers";r=0;t=55', 55_000],
    ['"api"; t=7; r=0', 7_000],
    ['"api";r=12;t=200, "resolvers";r=0;t=30, "pages";r=0;t=9', 30_000],
    ['"api";r=12;t=200', undefined],
    ['"api";r=0', undefined],
    ['"api";r=0;t=soon', undefined],
    ['"api";r=0;t=99999999999999', undefined],
    ['', undefined],
  ])('%j means a wait of %j ms', (ratelimit, expected) => {
    expect(errorOfStatus(429, { ratelimit }).retryAfterMs).toBe(expected);
  });

  test('counts only without a Retry-After, and only with 429', () => {
    const ratelimit = '"api";r=0;t=55';
    expect(errorOfStatus(429, { ratelimit, 'retry-after': '3' }).retryAfterMs).toBe(3_000);
    expect(errorOfStatus(503, { ratelimit }).retryAfterMs).toBeUndefined();
  });
});

describe('a connection', () => {
  const withCode = (code: string) => Object.assign(new Error('x'), { code });

  test.each([
    ['ECONNREFUSED', 'SOURCE_UNAVAILABLE'],
    ['ENOTFOUND', 'SOURCE_UNAVAILABLE'],
    ['UND_ERR_CONNECT_TIMEOUT', 'SOURCE_UNAVAILABLE'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SOURCE_UNAVAILABLE'],
    ['UND_ERR_HEADERS_TIMEOUT', 'DOWNLOAD_TIMEOUT'],
    ['ECONNRESET', 'DOWNLOAD_FAILED'],
    ['UND_ERR_SOCKET', 'DOWNLOAD_FAILED'],
    ['HPE_INVALID_CONSTANT', 'DOWNLOAD_FAILED'],
  ])('that ends with %s is %s', (code, expected) => {
    expect(errorOfConnection(withCode(code), 'cdn.example')).toMatchObject({ code: expected });
  });

  test('that could not be opened has a hint', () => {
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'CERT_REVOKED']) {
      expect(errorOfConnection(withCode(code), 'cdn.example')).toMatchObject({ hint: expect.stringMatching(/check/) });
    }
  });

  test('whose dispatcher refused it keeps the error of the dispatcher', () => {
    const refusal = new RbeeError('SOURCE_NOT_ALLOWED', 'a private address');
    expect(errorOfConnection(refusal, 'cdn.example')).toBe(refusal);
    expect(errorOfConnection(new Error('wrapped', { cause: refusal }), 'cdn.example')).toBe(refusal);
  });

  test('with invalid arguments is a bug and stays one', () => {
    const bug = withCode('UND_ERR_INVALID_ARG');
    expect(errorOfConnection(bug, 'cdn.example')).toBe(bug);
  });
});
