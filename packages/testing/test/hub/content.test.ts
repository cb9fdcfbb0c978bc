import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { corrupted, digestsOf, generateBytes, toContent } from '../../src/hub/content.ts';

const size = 3 * 1024 * 1024 + 777;

describe('a generated file', () => {
  it('gives the same bytes for any range as for the whole', () => {
    const content = toContent({ size, seed: 11 });
    const whole = content.read(0, size);
    expect(whole.length).toBe(size);
    const places = [0, 1, 7, 8, 4095, 4096, 4099, 65_535, 1_048_575, 1_048_576, 1_048_583, size - 5000];
    for (const start of places) {
      for (const length of [1, 3, 8, 4096, 4999]) {
        const part = content.read(start, start + length);
        expect(part.equals(whole.subarray(start, start + length)), `${length} bytes at ${start}`).toBe(true);
      }
    }
  });

  it('has no two equal pages, so that misplaced bytes show', () => {
    const whole = generateBytes({ size, seed: 11 });
    const pages = new Set<string>();
    for (let at = 0; at + 4096 <= size; at += 4096) pages.add(whole.toString('latin1', at, at + 4096));
    expect(pages.size).toBe(Math.floor(size / 4096));
  });

  it('depends on its seed and ends at its size', () => {
    expect(generateBytes({ size: 100, seed: 1 })).not.toEqual(generateBytes({ size: 100, seed: 2 }));
    expect(generateBytes({ size: 100, seed: 1 }, 90, 200).length).toBe(10);
    expect(generateBytes({ size: 0, seed: 1 }).length).toBe(0);
  });
});

describe('digests', () => {
  it('are the sha256 and the git blob id', () => {
    // The second is what `git hash-object` says of a file with this line.
    expect(digestsOf(toContent(Buffer.from('hello\n')))).toEqual({
      sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
      gitSha1: 'ce013625030ba8dba906f756967f9e9ca394464a',
    });
  });

  it('of a generated file match its bytes', () => {
    const whole = generateBytes({ size, seed: 5 });
    expect(digestsOf(toContent({ size, seed: 5 })).sha256).toBe(createHash('sha256').update(whole).digest('hex'));
  });
});

describe('a buffer', () => {
  it('is copied, so that later changes are not served', () => {
    const source = Buffer.from('before');
    const content = toContent(source);
    source.write('after!');
    content.read(0, 6).write('broken');
    expect(content.read(0, 6).toString()).toBe('before');
  });
});

it('corrupts exactly one byte, wherever the range begins', () => {
  const content = toContent({ size: 1000, seed: 3 });
  const bad = corrupted(content, 500);
  const differing = (start: number, end: number): number[] => {
    const [good, changed] = [content.read(start, end), bad.read(start, end)];
    return [...good.keys()].filter((index) => good[index] !== changed[index]).map((index) => index + start);
  };
  expect(differing(0, 1000)).toEqual([500]);
  expect(differing(500, 501)).toEqual([500]);
  expect(differing(0, 500)).toEqual([]);
  expect(differing(501, 1000)).toEqual([]);
});
