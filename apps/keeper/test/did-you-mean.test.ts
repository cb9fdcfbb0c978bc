import { describe, expect, it } from 'vitest';
import { didYouMean, nearest } from '../src/did-you-mean.ts';

const HIVES = ['gpu-1', 'gpu-2', 'workstation'];

describe('the suggested name', () => {
  it.each([
    ['a wrong letter', 'workstatiom', 'workstation'],
    ['letters in the wrong order', 'gup-2', 'gpu-2'],
    ['a letter too few', 'gpu1', 'gpu-1'],
    ['a letter too many', 'gpuu-2', 'gpu-2'],
    ['the wrong case', 'WORKSTATION', 'workstation'],
  ])('is found despite %s', (_, word, meant) => {
    expect(nearest(word, HIVES)).toBe(meant);
  });

  it.each(['laptop', 'x', 'gpu-1-and-much-more'])('is nothing for %s', (word) => {
    expect(nearest(word, HIVES)).toBeNull();
    expect(didYouMean(word, HIVES)).toBe('');
  });

  it('is a question', () => {
    expect(didYouMean('gpu1', HIVES)).toBe('did you mean "gpu-1"? ');
    expect(didYouMean('gpu1', [])).toBe('');
  });
});
