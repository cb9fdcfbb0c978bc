import { hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hubRefOf, parseModelRef, printModelRef, RbeeError, type UrlRef, wantedModel } from '../src/index.ts';

const COMMIT = 'a'.repeat(40);

describe('an address pasted from the hub', () => {
  it.each([
    ['https://huggingface.co/org/repo', 'hf:org/repo'],
    ['https://huggingface.co/org/repo/', 'hf:org/repo'],
    ['http://huggingface.co/org/repo', 'hf:org/repo'],
    ['https://www.huggingface.co/org/repo', 'hf:org/repo'],
    ['HTTPS://HuggingFace.co/org/repo', 'hf:org/repo'],
    ['https://hf.co/org/repo', 'hf:org/repo'],
    ['https://huggingface.co/gpt2', 'hf:gpt2'],
    ['https://huggingface.co/gpt2/tree/main', 'hf:gpt2'],
    ['https://huggingface.co/gpt2/resolve/main/config.json', 'hf:gpt2::file=config.json'],
    ['https://huggingface.co/org/repo#usage', 'hf:org/repo'],
    ['https://huggingface.co/org/repo?library=transformers', 'hf:org/repo'],
    ['https://huggingface.co/org/repo?show_file_info=m-Q4_K_M.gguf', 'hf:org/repo::file=m-Q4_K_M.gguf'],
    ['https://huggingface.co/org/repo/tree', 'hf:org/repo'],
    ['https://huggingface.co/org/repo/tree/main', 'hf:org/repo'],
    ['https://huggingface.co/org/repo/tree/v1.0', 'hf:org/repo@v1.0'],
    ['https://huggingface.co/org/repo/tree/main/sub%20folder', 'hf:org/repo::include=sub folder/*'],
    ['https://huggingface.co/org/repo/tree/main/a[1]', 'hf:org/repo::include=a[[]1]/*'],
    ['https://huggingface.co/org/repo/tree/refs%2Fpr%2F1', 'hf:org/repo@refs/pr/1'],
    ['https://huggingface.co/org/repo/blob/main/m.gguf', 'hf:org/repo::file=m.gguf'],
    ['https://huggingface.co/org/repo/blob/main/a/m.gguf#L3', 'hf:org/repo::file=a/m.gguf'],
    ['https://huggingface.co/org/repo/blob/refs/pr/1/m.gguf', 'hf:org/repo@refs/pr/1::file=m.gguf'],
    ['https://huggingface.co/org/repo/resolve/main/m.gguf', 'hf:org/repo::file=m.gguf'],
    ['https://huggingface.co/org/repo/resolve/main/m.gguf?download=true', 'hf:org/repo::file=m.gguf'],
    [`https://huggingface.co/org/repo/resolve/${COMMIT}/m.gguf`, `hf:org/repo@${COMMIT}::file=m.gguf`],
    ['https://huggingface.co/org/repo/resolve/main/%D9%86.gguf', 'hf:org/repo::file=ن.gguf'],
    ['https://huggingface.co/org/repo/raw/main/config.json', 'hf:org/repo::file=config.json'],
    ['https://huggingface.co/org/repo/blame/main/config.json', 'hf:org/repo::file=config.json'],
    [`https://huggingface.co/org/repo/commit/${COMMIT}`, `hf:org/repo@${COMMIT}`],
    ['https://huggingface.co/org/repo/commits/main', 'hf:org/repo'],
    ['https://huggingface.co/org/repo/discussions', 'hf:org/repo'],
    ['https://huggingface.co/org/repo/discussions/3', 'hf:org/repo'],
    ['https://huggingface.co/org/repo:Q4_K_M', 'hf:org/repo:Q4_K_M'],
    ['hf.co/org/repo:Q4_K_M', 'hf:org/repo:Q4_K_M'],
    ['huggingface.co/org/repo/blob/main/m.gguf', 'hf:org/repo::file=m.gguf'],
  ])('[A14] %s is %s', (text, ref) => {
    expect(printModelRef(parseModelRef(text))).toBe(ref);
  });

  it.each([
    'https://huggingface.co/datasets/org/data/resolve/main/x.parquet',
    'https://huggingface.co/spaces/org/app/raw/main/app.py',
    'https://huggingface.co/api/models/org/repo',
    'https://huggingface.co/org/repo/resolve/main',
    'https://huggingface.co.example/org/repo',
    'https://example.com/huggingface.co/org/repo',
    `https://huggingface.co/org/repo/resolve/main/m.gguf::sha256=${'ab'.repeat(32)}`,
  ])('[A14] %s stays a URL: it names no model, or brings a digest', (text) => {
    expect(parseModelRef(text).scheme).toBe('https');
  });

  it.each([
    ['https://huggingface.co/datasets/org/data', 'a dataset'],
    ['https://huggingface.co/datasets/org/data/tree/main', 'a dataset'],
    ['https://huggingface.co/datasets/org/data/blob/main/x.parquet', 'a dataset'],
    ['hf.co/datasets/org/data', 'a dataset'],
    ['https://huggingface.co/spaces/org/app', 'a Space'],
    ['https://huggingface.co/collections/org/some-0123456789', 'a collection'],
    ['https://huggingface.co/docs/hub/index', 'a page of the hub'],
    ['https://huggingface.co/models?search=qwen', 'a page of the hub'],
    ['https://huggingface.co/', 'a page of the hub'],
    ['https://huggingface.co/org/repo/settings', 'a page of the hub'],
  ])('[A14] %s is refused: it is of %s, not of a model', (text, what) => {
    const message = `the address is of ${what}, not of a model`;
    expect(() => parseModelRef(text)).toThrow(expect.objectContaining({ code: 'MODEL_REF_INVALID', message }));
  });

  it.each([
    ['https://ollama.com/library/qwen3', 'ollama:qwen3'],
    ['https://ollama.com/library/qwen3:0.6b', 'ollama:qwen3:0.6b'],
    ['https://www.ollama.com/library/qwen3:0.6b?x=1#readme', 'ollama:qwen3:0.6b'],
    ['https://ollama.com/library/qwen3%3A0.6b', 'ollama:qwen3:0.6b'],
    ['https://ollama.com/library/qwen3/tags', 'ollama:qwen3'],
    ['https://ollama.com/library/qwen3:0.6b/blobs/7f4030143c1c', 'ollama:qwen3:0.6b'],
    ['https://ollama.com/someone/model', 'ollama:someone/model'],
    ['ollama.com/library/qwen3:0.6b', 'ollama:qwen3:0.6b'],
    ['hf://org/repo', 'hf:org/repo'],
    ['hf://org/repo@v1/sub/m.gguf', 'hf:org/repo@v1::file=sub/m.gguf'],
    ['hf://models/org/repo', 'hf:org/repo'],
    ['hf://gpt2', 'hf:gpt2'],
  ])('[A14] %s is %s', (text, ref) => {
    expect(printModelRef(parseModelRef(text))).toBe(ref);
  });

  it.each([
    'https://ollama.com/download/Ollama-darwin.zip',
    'https://ollama.com/install.sh',
    'https://ollama.com/someone',
    'https://ollama.com/library/qwen3/other/page',
    'https://ollama.com.example/library/qwen3',
    `https://ollama.com/library/qwen3::sha256=${'ab'.repeat(32)}`,
  ])('[A14] %s stays a URL', (text) => {
    expect(parseModelRef(text).scheme).toBe('https');
  });

  it('[A14] of Ollama cannot leave its namespace', () => {
    expect(() => parseModelRef('https://ollama.com/library/..%2Fx')).toThrow(
      expect.objectContaining({ code: 'MODEL_REF_INVALID' }),
    );
    expect(() => parseModelRef('hf://datasets/org/data')).toThrow(RbeeError);
  });

  it.each([
    'https://huggingface.co/org/repo/blob/main/a%2F..%2F..%2Fb',
    'https://huggingface.co/org/repo/blob/main/a%5Cb',
    'https://huggingface.co/org/repo/blob/main/a::include=b',
    'https://huggingface.co/org/repo/blob/main/a%3A%3Ainclude=b',
    'https://huggingface.co/org/repo/tree/main:x/a',
    'https://huggingface.co/org/repo/tree/a%40b',
    'https://huggingface.co/org/repo/blob/main/a%E2%80%AEb',
    'https://huggingface.co/org/repo?show_file_info=..%2Fb',
    'https://user:secret-secret@huggingface.co/org/repo',
  ])('[A14] %s is refused: what it names cannot be part of a ref', (text) => {
    expect(() => parseModelRef(text)).toThrow(expect.objectContaining({ code: 'MODEL_REF_INVALID' }));
  });

  it.each([
    ['http://127.0.0.1:8080/org/repo', 'http://127.0.0.1:8080', 'hf:org/repo'],
    ['http://127.0.0.1:8080/org/repo/resolve/main/m.gguf', 'http://127.0.0.1:8080', 'hf:org/repo::file=m.gguf'],
    ['https://art.example/api/hf/org/repo/blob/main/m.gguf', 'https://art.example/api/hf', 'hf:org/repo::file=m.gguf'],
    ['https://art.example/other/org/repo', 'https://art.example/api/hf', 'https://art.example/other/org/repo'],
    ['https://hub.example/org/repo', 'https://other.example', 'https://hub.example/org/repo'],
  ])('[A14] %s at a hive whose hub is %s is %s', (model, hub, ref) => {
    expect(printModelRef(wantedModel({ model }, hub).ref)).toBe(ref);
  });

  it('[A14] of the own hub stays a URL where a digest names its content', () => {
    const sha256 = 'ab'.repeat(32);
    const model = 'https://hub.example/org/repo/resolve/main/m.gguf';
    expect(wantedModel({ model, sha256 }, 'https://hub.example').ref).toMatchObject({ scheme: 'https', sha256 });
    expect(wantedModel({ model }, 'https://hub.example').ref.scheme).toBe('hf');
  });

  it('[A14] takes the digest and the globs of its request', () => {
    const sha256 = 'AB'.repeat(32);
    const model = 'https://huggingface.co/org/repo/blob/main/m.gguf';
    expect(wantedModel({ model, sha256 })).toMatchObject({ sha256: sha256.toLowerCase(), ref: { scheme: 'hf' } });
    const withDigest = `https://huggingface.co/org/repo/blob/main/m.gguf::sha256=${sha256}`;
    expect(wantedModel({ model: withDigest })).toEqual(wantedModel({ model, sha256 }));
    const globs = wantedModel({ model: 'https://hf.co/org/repo', include: ['*.json'] });
    expect(printModelRef(globs.ref)).toBe('hf:org/repo::include=*.json');
  });

  it('is a ref that reads back as it was, a URL, or refused', () => {
    const pieces = [
      '/',
      'org',
      'repo',
      'tree',
      'blob',
      'resolve',
      'main',
      'refs/pr/1',
      '%2F',
      '%2e',
      '..',
      '%3A',
      ':',
      '@',
    ];
    const more = [
      '::file=',
      '%40',
      'm.gguf',
      '?download=true',
      '?show_file_info=',
      '#',
      '*',
      '[',
      '%',
      '%00',
      '%E2%80%AE',
    ];
    fc.assert(
      fc.property(hostileText([...pieces, ...more] as [string, ...string[]]), (path) => {
        const text = `https://hub.example/hf/${path}`;
        try {
          const url = parseModelRef(text) as UrlRef;
          const ref = hubRefOf(url, 'https://hub.example/hf');
          if (ref === null) return;
          expect(parseModelRef(printModelRef(ref))).toEqual(ref);
          for (const inside of [...ref.files, ref.repo]) expect(inside.split('/')).not.toContain('..');
        } catch (error) {
          expect(error).toBeInstanceOf(RbeeError);
          expect((error as RbeeError).code).toBe('MODEL_REF_INVALID');
        }
      }),
    );
  });
});

describe('a repo without an organisation', () => {
  it.each([
    ['hf:gpt2', 'hf:gpt2'],
    ['hf:bert-base-uncased@v1', 'hf:bert-base-uncased@v1'],
    ['hf:gpt2:Q4_K_M', 'hf:gpt2:Q4_K_M'],
    ['hf:gpt2@refs/pr/1::file=config.json', 'hf:gpt2@refs/pr/1::file=config.json'],
    ['hf:gpt2::include=*.json', 'hf:gpt2::include=*.json'],
  ])('[A12] %s is read', (text, canonical) => {
    expect(printModelRef(parseModelRef(text))).toBe(canonical);
  });

  it.each([
    'gpt2',
    'gpt2:Q4_K_M',
    'llama3:8b',
    's3:bucket',
    'hf:',
    'hf:gp--t2',
    'hf:..',
    'hf:https://host/a',
    'hf:x.git',
  ])('[A12] %s is refused: without "hf:" it could be of a registry, and not every name is one', (text) => {
    expect(() => parseModelRef(text)).toThrow(expect.objectContaining({ code: 'MODEL_REF_INVALID' }));
  });
});

describe('a name with dots', () => {
  it.each(['rain....png', 'a..b', '..a', 'a..', 'a/b..c/d', 'so…on.txt'])(
    '[A13] %s is a name like any other',
    (path) => {
      expect(parseModelRef(`hf:org/repo::file=${path}`)).toMatchObject({ files: [path] });
    },
  );

  it.each(['..', '.', '...', 'a/../b', 'a/.. /b', '. .', 'a/…', '../a'])('[A13] %j still leaves its folder', (path) => {
    expect(() => parseModelRef(`hf:org/repo::file=${path}`)).toThrow(/leaves its folder/);
  });
});
