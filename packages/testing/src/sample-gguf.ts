import { encodeGgufHeader, type GgufTensor, type GgufValue, ggufAlignment } from './gguf-writer.ts';

export interface SampleGgufOptions {
  /** In bytes, at least 128 KiB. The file has as many whole blocks of the model as fit. */
  readonly size: number;
  readonly seed: number;
}

interface Dimensions {
  readonly embedding: number;
  readonly feedForward: number;
  readonly heads: number;
}

const minSize = 128 * 1024;
/** Smaller models are narrow, with blocks of about 26 KB, so that a file of little more than 100 KB is possible. */
const wideFromSize = 8 * 1024 * 1024;
const NARROW: Dimensions = { embedding: 32, feedForward: 96, heads: 4 };
const WIDE: Dimensions = { embedding: 256, feedForward: 512, heads: 8 };
const CONTEXT_LENGTH = 512;
const FILE_TYPE_MOSTLY_F16 = 1;
const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;

/** A valid GGUF v3 file of a small llama with random weights: the same options give the same bytes. */
export function makeSampleGguf({ size, seed }: SampleGgufOptions): Buffer {
  if (size < minSize) throw new Error(`a sample GGUF has at least ${minSize} bytes, not ${size}`);
  const dimensions = size < wideFromSize ? NARROW : WIDE;
  const headerOf = (blocks: number) => encodeGgufHeader(metadataOf(dimensions, blocks), tensorsOf(dimensions, blocks));
  const blockSize = headerOf(2).fileSize - headerOf(1).fileSize;
  let blocks = Math.floor((size - headerOf(1).fileSize) / blockSize) + 1;
  // Names grow with the number of blocks, so the estimate can be a few bytes too high.
  while (blocks > 1 && headerOf(blocks).fileSize > size) blocks -= 1;
  const header = headerOf(blocks);
  const file = Buffer.alloc(header.fileSize);
  header.bytes.copy(file);
  const random = createRandom(seed);
  for (const [index, tensor] of tensorsOf(dimensions, blocks).entries()) {
    fillTensor(file, header.offsets[index] ?? 0, tensor, random);
  }
  return file;
}

function metadataOf(dimensions: Dimensions, blocks: number): Record<string, GgufValue> {
  const tokens = vocabulary();
  return {
    'general.architecture': string('llama'),
    'general.type': string('model'),
    'general.name': string('rbee sample'),
    'general.license': string('mit'),
    'general.file_type': u32(FILE_TYPE_MOSTLY_F16),
    'general.quantization_version': u32(2),
    'general.alignment': u32(ggufAlignment),
    'llama.context_length': u32(CONTEXT_LENGTH),
    'llama.embedding_length': u32(dimensions.embedding),
    'llama.block_count': u32(blocks),
    'llama.feed_forward_length': u32(dimensions.feedForward),
    'llama.attention.head_count': u32(dimensions.heads),
    'llama.attention.head_count_kv': u32(dimensions.heads),
    'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-5 },
    'llama.rope.dimension_count': u32(dimensions.embedding / dimensions.heads),
    'llama.vocab_size': u32(tokens.length),
    'tokenizer.ggml.model': string('llama'),
    'tokenizer.ggml.tokens': { type: 'strings', value: tokens.map((token) => token.text) },
    'tokenizer.ggml.scores': { type: 'f32s', value: tokens.map(() => 0) },
    'tokenizer.ggml.token_type': { type: 'i32s', value: tokens.map((token) => token.type) },
    'tokenizer.ggml.unknown_token_id': u32(0),
    'tokenizer.ggml.bos_token_id': u32(1),
    'tokenizer.ggml.eos_token_id': u32(2),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: true },
  };
}

const u32 = (value: number): GgufValue => ({ type: 'u32', value });
const string = (value: string): GgufValue => ({ type: 'string', value });

/** Every byte is a token, so any text can be encoded. */
function vocabulary(): { text: string; type: number }[] {
  const bytes = Array.from({ length: 256 }, (_, byte) => ({
    text: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    type: TOKEN_TYPE.byte,
  }));
  return [
    { text: '<unk>', type: TOKEN_TYPE.unknown },
    { text: '<s>', type: TOKEN_TYPE.control },
    { text: '</s>', type: TOKEN_TYPE.control },
    ...bytes,
    { text: '\u2581', type: TOKEN_TYPE.normal },
  ];
}

function tensorsOf({ embedding, feedForward }: Dimensions, blocks: number): GgufTensor[] {
  const vocabularySize = vocabulary().length;
  const perBlock = Array.from({ length: blocks }, (_, block) => [
    norm(`blk.${block}.attn_norm.weight`, embedding),
    weight(`blk.${block}.attn_q.weight`, embedding, embedding),
    weight(`blk.${block}.attn_k.weight`, embedding, embedding),
    weight(`blk.${block}.attn_v.weight`, embedding, embedding),
    weight(`blk.${block}.attn_output.weight`, embedding, embedding),
    norm(`blk.${block}.ffn_norm.weight`, embedding),
    weight(`blk.${block}.ffn_gate.weight`, embedding, feedForward),
    weight(`blk.${block}.ffn_up.weight`, embedding, feedForward),
    weight(`blk.${block}.ffn_down.weight`, feedForward, embedding),
  ]);
  return [
    weight('token_embd.weight', embedding, vocabularySize),
    ...perBlock.flat(),
    norm('output_norm.weight', embedding),
    weight('output.weight', embedding, vocabularySize),
  ];
}

const norm = (name: string, length: number): GgufTensor => ({ name, shape: [length], dtype: 'F32' });
const weight = (name: string, columns: number, rows: number): GgufTensor => ({
  name,
  shape: [columns, rows],
  dtype: 'F16',
});

function fillTensor(file: Buffer, offset: number, tensor: GgufTensor, random: () => number): void {
  const elements = tensor.shape.reduce((product, length) => product * length, 1);
  for (let index = 0; index < elements; index += 1) {
    if (tensor.dtype === 'F32') file.writeFloatLE(1, offset + index * 4);
    else file.writeUInt16LE(smallHalf(random()), offset + index * 2);
  }
}

/** A 16-bit float between 2^-7 and 2^-3 of either sign: a plausible weight, never infinite or not a number. */
function smallHalf(bits: number): number {
  const signAndFraction = bits & 0x83ff;
  const exponent = 8 + ((bits >>> 16) & 3);
  return signAndFraction | (exponent << 10);
}

/** xorshift32, for 32 random bits at a time. */
function createRandom(seed: number): () => number {
  let state = (seed ^ 0x2545f491) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}
