import { describe, expect, it } from 'vitest';
import { displayNameOf, displayNames } from '../src/index.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** The names of these models where all of them are shown. */
function namesIn(...refs: string[]): string[] {
  return refs.map(displayNames(refs));
}

describe('the name of a model', () => {
  it.each([
    ['a quantisation', 'hf:Qwen/Qwen3-0.6B-GGUF:Q4_K_M', 'Qwen3-0.6B-GGUF:Q4_K_M'],
    ['one file', `hf:Qwen/Qwen3-0.6B-GGUF@${COMMIT}::file=a/Qwen3-0.6B-Q8_0.gguf`, 'Qwen3-0.6B-Q8_0.gguf'],
    ['several files', 'hf:org/repo::file=a.gguf::file=b.gguf::file=c.gguf', 'a.gguf +2'],
    ['a repo', 'hf:org/repo', 'repo'],
    ['a URL', 'https://host/a/b.gguf', 'b.gguf'],
    ['a ref of a newer version', 'moon:river', 'moon:river'],
  ])('[I5] for %s is what people know it by', (_, ref, name) => {
    expect(displayNameOf(ref)).toBe(name);
    expect(namesIn(ref, 'hf:other/model')[0]).toBe(name);
  });

  it.each([
    ['two quantisations of one repo', ['hf:o/r:Q4_K_M', 'hf:o/r:Q8_0'], ['r:Q4_K_M', 'r:Q8_0']],
    [
      'one quantisation of two publishers',
      ['hf:a/r:Q4_K_M', 'hf:b/r:Q4_K_M', 'hf:c/other:Q4_K_M'],
      ['a/r:Q4_K_M', 'b/r:Q4_K_M', 'other:Q4_K_M'],
    ],
    [
      'one file of two repos',
      ['hf:a/r::file=config.json', 'hf:b/r::file=config.json'],
      ['a/r::file=config.json', 'b/r::file=config.json'],
    ],
    ['two revisions', ['hf:a/r', 'hf:a/r@v2'], ['a/r', 'a/r@v2']],
    [
      'two commits',
      [`hf:a/r@${COMMIT}:Q4_0`, `hf:a/r@${'f'.repeat(40)}:Q4_0`],
      ['a/r@0123456:Q4_0', 'a/r@fffffff:Q4_0'],
    ],
    [
      'two commits that begin alike',
      [`hf:a/r@${COMMIT}`, `hf:a/r@${COMMIT.replace(/7$/, '8')}`],
      [`hf:a/r@${COMMIT}`, `hf:a/r@${COMMIT.replace(/7$/, '8')}`],
    ],
    [
      'two choices of files',
      ['hf:a/r::include=*.json', 'hf:a/r::include=onnx/*'],
      ['a/r::include=*.json', 'a/r::include=onnx/*'],
    ],
    ['two servers', ['https://a/x.gguf', 'https://b/x.gguf'], ['https://a/x.gguf', 'https://b/x.gguf']],
    [
      'two registries',
      ['ollama:qwen3', 'ollama:host.example/ns/qwen3'],
      ['ollama:qwen3', 'ollama:host.example/ns/qwen3'],
    ],
    ['one ref twice', ['hf:a/r:Q8_0', 'hf:a/r:Q8_0'], ['r:Q8_0', 'r:Q8_0']],
  ])('[I5] tells %s apart', (_, refs, names) => {
    expect(namesIn(...refs)).toEqual(names);
  });

  it('[I6] is short for one model that is written in several ways', () => {
    expect(namesIn('hf:a/r', 'a/r', 'hf:b/s')).toEqual(['r', 'r', 's']);
  });
});
