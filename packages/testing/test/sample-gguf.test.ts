import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GGMLQuantizationType, gguf } from '@huggingface/gguf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startHub } from '../src/hub/hub.ts';
import { makeSampleGguf } from '../src/sample-gguf.ts';
import { type TempDir, tempDir } from '../src/temp-dir.ts';

let folder: TempDir;
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(() => folder.remove());

const elementSizes: Partial<Record<GGMLQuantizationType, number>> = {
  [GGMLQuantizationType.F32]: 4,
  [GGMLQuantizationType.F16]: 2,
};

describe.each([
  [128 * 1024, 32],
  [1_000_000, 32],
  [24 * 1024 * 1024, 256],
])('a sample of %i bytes', (size, embedding) => {
  it('is accepted by the parser of the hub, with metadata and tensors that fit together', async () => {
    const bytes = makeSampleGguf({ size, seed: 1 });
    const path = join(folder.path, 'sample.gguf');
    await writeFile(path, bytes);
    const parsed = await gguf(path, { allowLocalFile: true, computeParametersCount: true, typedMetadata: true });
    const { metadata, tensorInfos, tensorDataOffset, parameterCount } = parsed;

    expect(metadata).toMatchObject({
      version: 3,
      'general.architecture': 'llama',
      'general.name': 'rbee sample',
      'general.file_type': 1,
      'llama.context_length': 512,
      'llama.embedding_length': embedding,
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.add_bos_token': true,
    });
    const tokens = parsed.typedMetadata['tokenizer.ggml.tokens']?.value;
    expect(tokens).toHaveLength(260);
    expect(tokens).toEqual(expect.arrayContaining(['<unk>', '<s>', '</s>', '<0x00>', '<0xFF>']));

    const blocks = Number((metadata as Record<string, unknown>)['llama.block_count']);
    expect(blocks).toBeGreaterThan(0);
    expect(tensorInfos).toHaveLength(blocks * 9 + 3);
    expect(metadata.tensor_count).toBe(BigInt(tensorInfos.length));
    expect(tensorInfos[0]).toMatchObject({ name: 'token_embd.weight', shape: [BigInt(embedding), 260n] });
    expect(tensorInfos.map((tensor) => tensor.name)).toContain(`blk.${blocks - 1}.ffn_down.weight`);

    const elements = tensorInfos.map((tensor) => tensor.shape.reduce((product, length) => product * length, 1n));
    expect(parameterCount).toBe(Number(elements.reduce((sum, count) => sum + count, 0n)));
    // The data of each tensor begins, aligned, where that of the one before ends, and the last one ends the file.
    let end = 0n;
    for (const [index, tensor] of tensorInfos.entries()) {
      expect(tensor.offset % 32n).toBe(0n);
      expect(tensor.offset - end).toBeLessThan(32n);
      end = tensor.offset + (elements[index] ?? 0n) * BigInt(elementSizes[tensor.dtype] ?? Number.NaN);
    }
    expect(Number(tensorDataOffset) % 32).toBe(0);
    expect(BigInt(bytes.length) - (tensorDataOffset + end)).toBeLessThan(32n);
  });

  it('is of about that size and never more', () => {
    const { length } = makeSampleGguf({ size, seed: 1 });
    expect(length).toBeLessThanOrEqual(size);
    expect(length).toBeGreaterThan(size * 0.75);
  });
});

it('holds finite, small weights', async () => {
  const bytes = makeSampleGguf({ size: 200_000, seed: 3 });
  const path = join(folder.path, 'sample.gguf');
  await writeFile(path, bytes);
  const { tensorInfos, tensorDataOffset } = await gguf(path, { allowLocalFile: true });
  for (const tensor of tensorInfos) {
    const elements = Number(tensor.shape.reduce((product, length) => product * length, 1n));
    const start = Number(tensorDataOffset + tensor.offset);
    if (tensor.dtype === GGMLQuantizationType.F32) {
      for (let index = 0; index < elements; index += 1) expect(bytes.readFloatLE(start + index * 4)).toBe(1);
      continue;
    }
    const exponents = new Set<number>();
    for (let index = 0; index < elements; index += 1) {
      exponents.add((bytes.readUInt16LE(start + index * 2) >> 10) & 0x1f);
    }
    expect([...exponents].sort((a, b) => a - b)).toEqual([8, 9, 10, 11]);
  }
});

it('is the same for the same seed and another for another', () => {
  const one = makeSampleGguf({ size: 200_000, seed: 1 });
  expect(makeSampleGguf({ size: 200_000, seed: 1 }).equals(one)).toBe(true);
  expect(makeSampleGguf({ size: 200_000, seed: 2 }).equals(one)).toBe(false);
});

it('can be parsed from the hub, through its redirect and by ranges', async () => {
  const hub = await startHub();
  try {
    hub.addRepo({ id: 'acme/sample', files: { 'sample.gguf': makeSampleGguf({ size: 5_000_000, seed: 1 }) } });
    const { metadata } = await gguf(hub.resolveUrl('acme/sample', 'sample.gguf'));
    expect(metadata['general.architecture']).toBe('llama');
    const ranges = hub.requests.filter((request) => request.server === 'cdn').map((request) => request.status);
    expect(ranges[0]).toBe(206);
  } finally {
    await hub.close();
  }
});

it('refuses a size that no model fits in', () => {
  expect(() => makeSampleGguf({ size: 1000, seed: 1 })).toThrow('at least 131072 bytes');
});
