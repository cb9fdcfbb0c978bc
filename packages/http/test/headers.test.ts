import { describe, expect, test } from 'vitest';
import { headerOf, strongEtag } from '../src/headers.ts';

describe('headers', () => {
  test('that are repeated are read by their first value', () => {
    expect(headerOf({ etag: ['"a"', '"b"'] }, 'etag')).toBe('"a"');
    expect(headerOf({}, 'etag')).toBeNull();
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
