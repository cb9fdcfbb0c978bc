import { describe, expect, it } from 'vitest';
import { createTreeCache } from '../../../src/sources/hugging-face/tree-cache.ts';

const tree = (entries: number) =>
  Array.from({ length: entries }, (_, index) => ({
    path: `${index}`,
    size: 1,
    sha256: null,
    problem: null,
    gitSha1: 'a'.repeat(40),
  }));

describe('the trees of commits', () => {
  it('are kept up to a number of files, most recently used', () => {
    const cache = createTreeCache(10);
    cache.set('org/a', '1', tree(4));
    cache.set('org/b', '1', tree(4));
    expect(cache.get('org/a', '1')).toHaveLength(4);
    cache.set('org/c', '1', tree(4));
    expect(cache.get('org/b', '1')).toBeNull();
    expect(cache.get('org/a', '1')).toHaveLength(4);
    expect(cache.get('org/c', '1')).toHaveLength(4);
  });

  it('that are larger than the limit are not kept', () => {
    const cache = createTreeCache(10);
    cache.set('org/a', '1', tree(11));
    expect(cache.get('org/a', '1')).toBeNull();
    cache.set('org/b', '1', tree(10));
    cache.set('org/b', '1', tree(9));
    expect(cache.get('org/b', '1')).toHaveLength(9);
  });
});
