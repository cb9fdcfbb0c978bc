import { describe, expect, it } from 'vitest';
import { shardOf } from '../../src/selection/shard.ts';

describe('the name of a shard', () => {
  it.each([
    ['q8/model-00001-of-00003.gguf', { stem: 'q8/model', number: 1, total: 3, glob: 'q8/model-*-of-00003.gguf' }],
    [
      'model_00072-of-00072.safetensors',
      { stem: 'model', number: 72, total: 72, glob: 'model_*-of-00072.safetensors' },
    ],
    ['model-1-of-61.BIN', { stem: 'model', number: 1, total: 61, glob: 'model-*-of-61.BIN' }],
  ])('is read from %s', (path, shard) => {
    expect(shardOf(path)).toEqual(shard);
  });

  it.each([
    'model.gguf',
    'model-3-of-2.gguf',
    'model-00001-of-00003',
    'model-1-of-2/other.gguf',
    'model-1234567-of-1234567.bin',
  ])('is not read from %s', (path) => {
    expect(shardOf(path)).toBeNull();
  });
});
