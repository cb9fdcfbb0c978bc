import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ERROR_CODES,
  type ErrorCode,
  EXIT_CODES,
  errorBodySchema,
  errorCodeSchema,
  fromErrorBody,
  RbeeError,
  toErrorBody,
  toRbeeError,
} from '../src/index.ts';

/** The error table as it is published, row by row: code, HTTP status, retried by itself. */
const PUBLISHED: [codes: string, http: number, retried: 'yes' | 'once' | 'no'][] = [
  ['MODEL_REF_INVALID REQUEST_INVALID OPERATION_UNKNOWN', 400, 'no'],
  ['API_KEY_MISSING API_KEY_INVALID', 401, 'no'],
  ['SOURCE_NOT_ALLOWED ORIGIN_REFUSED', 403, 'no'],
  ['METHOD_NOT_ALLOWED', 405, 'no'],
  ['PAYLOAD_TOO_LARGE', 413, 'no'],
  ['MEDIA_TYPE_UNSUPPORTED', 415, 'no'],
  ['MODEL_NOT_FOUND JOB_NOT_FOUND DOWNLOAD_NOT_FOUND HIVE_NOT_FOUND ROUTE_NOT_FOUND', 404, 'no'],
  ['STATUS_CONFLICT', 409, 'no'],
  ['RATE_LIMITED TOO_MANY_STREAMS', 429, 'no'],
  ['MODEL_TOKEN_MISSING MODEL_TOKEN_INVALID MODEL_GATED MODEL_ACCESS_DENIED', 502, 'no'],
  ['DOWNLOAD_TIMEOUT DOWNLOAD_FAILED SOURCE_UNAVAILABLE', 502, 'yes'],
  ['SOURCE_CHANGED CHECKSUM_MISMATCH', 502, 'once'],
  ['DISK_FULL STORE_NOT_WRITABLE', 507, 'no'],
  ['HIVE_UNAVAILABLE STATE_UNAVAILABLE', 503, 'no'],
  ['INTERNAL', 500, 'no'],
];
const USAGE = ['MODEL_REF_INVALID', 'REQUEST_INVALID', 'OPERATION_UNKNOWN'];
const UNAUTHORISED = ['API_KEY_MISSING', 'API_KEY_INVALID'];

const code = fc.constantFrom(...errorCodeSchema.options);
const fact = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.string()));

describe('the table of codes', () => {
  const rows = PUBLISHED.flatMap(([codes, http, retried]) => codes.split(' ').map((name) => ({ name, http, retried })));

  it('has the codes that are published, and no others', () => {
    expect(Object.keys(ERROR_CODES).sort()).toEqual(rows.map(({ name }) => name).sort());
    expect(errorCodeSchema.options).toEqual(Object.keys(ERROR_CODES));
  });

  it.each(rows)('$name is HTTP $http, retried by itself: $retried', ({ name, http, retried }) => {
    const parsed = errorCodeSchema.parse(name);
    const error = new RbeeError(parsed, 'text');
    expect(error.httpStatus).toBe(http);
    expect(ERROR_CODES[parsed].retried).toBe(retried);
    expect(error.retryable).toBe(retried !== 'no');
  });

  it('gives every code the exit code that the help promises', () => {
    expect(EXIT_CODES).toEqual({ done: 0, failed: 1, usage: 2, unreachable: 3, unauthorised: 4, interrupted: 130 });
    for (const name of errorCodeSchema.options) {
      const expected = USAGE.includes(name) ? 2 : UNAUTHORISED.includes(name) ? 4 : name === 'HIVE_UNAVAILABLE' ? 3 : 1;
      expect([name, new RbeeError(name, 'text').exitCode]).toEqual([name, expected]);
    }
  });
});

describe('the body of an error', () => {
  it('carries code, message, hint, details and request id, and nothing else', () => {
    const error = new RbeeError('DISK_FULL', 'the disk is full', {
      hint: 'free 2 GB',
      details: { needed: 3, free: 1 },
      retryAfterMs: 5,
      cause: new Error('a secret path'),
    });
    expect(toErrorBody(error, 'req-1')).toEqual({
      error: {
        code: 'DISK_FULL',
        message: 'the disk is full',
        hint: 'free 2 GB',
        details: { needed: 3, free: 1 },
        request_id: 'req-1',
      },
    });
  });

  it('leaves out a hint and details that are not there', () => {
    expect(toErrorBody(new RbeeError('JOB_NOT_FOUND', 'no such job'), 'r')).toEqual({
      error: { code: 'JOB_NOT_FOUND', message: 'no such job', request_id: 'r' },
    });
  });

  it('becomes the same error on the other side', () => {
    const options = fc.record(
      { hint: fc.string(), details: fc.dictionary(fc.stringMatching(/^[a-z][a-z_]{0,12}$/), fact) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(code, fc.string(), options, fc.string(), (name, message, extra, requestId) => {
        const body = JSON.parse(JSON.stringify(toErrorBody(new RbeeError(name, message, extra), requestId)));
        expect(errorBodySchema.parse(body)).toEqual(body);
        const back = fromErrorBody(body);
        expect(back).toBeInstanceOf(RbeeError);
        expect(back).toMatchObject({ code: name, message, hint: extra.hint });
        expect(back?.details).toEqual(body.error.details);
      }),
    );
  });

  it.each([
    null,
    'error',
    {},
    { error: 'DISK_FULL' },
    { error: { code: 'DISK_FULL' } },
    { error: { code: 'NO_SUCH_CODE', message: 'a', request_id: 'r' } },
    { error: { code: 'toString', message: 'a', request_id: 'r' } },
    { statusCode: 500, error: 'Internal Server Error', message: 'a' },
  ])('is not seen in %j', (body) => {
    expect(fromErrorBody(body)).toBeNull();
  });
});

describe('toRbeeError', () => {
  it('leaves an RbeeError as it is', () => {
    const error = new RbeeError('DISK_FULL', 'the disk is full');
    expect(toRbeeError(error)).toBe(error);
  });

  it.each([
    new Error('password=hunter2'),
    new TypeError('password=hunter2'),
    'password=hunter2',
    { message: 'password=hunter2', code: 'DISK_FULL' satisfies ErrorCode },
    undefined,
  ])('hides the text of anything else from the wire, and keeps it as the cause', (thrown) => {
    const error = toRbeeError(thrown);
    expect(error.code).toBe('INTERNAL');
    expect(JSON.stringify(toErrorBody(error, 'r'))).not.toContain('hunter2');
    expect(error.cause).toBe(thrown);
  });
});
