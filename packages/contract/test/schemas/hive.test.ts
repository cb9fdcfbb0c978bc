import { describe, expect, it } from 'vitest';
import { hiveReadySchema } from '../../src/index.ts';

const isTaken = (hive_url: string) => hiveReadySchema.safeParse({ hive_id: 'gpu-1', hive_url }).success;

describe('the address that a hive registers', () => {
  it.each(['http://127.0.0.1:7835', 'https://gpu-1.lan', 'https://[fd00::1]:7835/behind/a/proxy'])(
    'may be %s',
    (url) => {
      expect(isTaken(url)).toBe(true);
    },
  );

  it.each([
    'http://user:secret@gpu-1.lan',
    'https://user@gpu-1.lan',
    'https://:secret@gpu-1.lan',
    'file:///etc/passwd',
    'gpu-1',
  ])('may not be %s', (url) => {
    expect(isTaken(url)).toBe(false);
  });

  it.each([
    'http://gpu-1.lan/admin/reboot?now=1&x=',
    'http://gpu-1.lan?',
    'http://gpu-1.lan/#',
    'http://gpu-1.lan/a#b',
    'http://user@gpu-1.lan/?',
  ])("[L12] may not be %s, where the path of a request would be somebody else's to choose", (url) => {
    expect(isTaken(url)).toBe(false);
  });

  it('[L12] may not have 3,000 characters', () => {
    expect(isTaken(`http://gpu-1.lan/${'a'.repeat(3_000)}`)).toBe(false);
  });
});
