import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { errnoOf } from '../src/index.ts';

test('the code of a system error is read, and that of anything else is null', async () => {
  const missing = await readFile('/no/such/file').catch((error: unknown) => error);
  expect(errnoOf(missing)).toBe('ENOENT');
  expect(errnoOf(new Error('plain'))).toBeNull();
  expect(errnoOf(Object.assign(new Error('odd'), { code: 5 }))).toBeNull();
  expect(errnoOf({ code: 'ENOENT' })).toBeNull();
});
