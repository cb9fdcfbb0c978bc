import { describe, expect, test } from 'vitest';
import { headerOf, strongEtag } from '../src/headers.ts';

describe('headers', () => {
  test('that are repeated are read by their first value', () => {
    expect(headerOf({ etag: ['"a"', '"b"'] }, 'etag')).toBe('"a"');
    expect(headerOf({}, 'etag')).toBeNull();
  });

  test('[C7] are read without the spaces and tabs around them, and nothing else is cut', () => {
    expect(headerOf({ 'content-length': ' \t 300 \t' }, 'content-length')).toBe('300');
    expect(headerOf({ location: '/caf\u00c3\u00a0' }, 'location')).toBe('/caf\u00c3\u00a0');
    expect(headerOf({ etag: '  ' }, 'etag')).toBe('');
  });

  test.each([
    ['"abc"', '"abc"'],
    ['""', '""'],
    ['W/"abc"', null],
    ['abc', null],
    ['"a b"', null],
    [`"${'a'.repeat(600)}"`, null],
    [null, null],
  ])('take the ETag %j as the validator %j', (etag, validator) => {
    expect(strongEtag(etag)).toBe(validator);
  });
});
