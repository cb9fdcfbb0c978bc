import { isProjector, RbeeError } from '@rbee/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { selectFiles, type TreeFile, type Wish } from '../../src/selection/select-files.ts';
import { shardOf } from '../../src/selection/shard.ts';

const GB = 1e9;

/** A tree of files of one size. */
const tree = (paths: readonly string[], size = GB): TreeFile[] => paths.map((path) => ({ path, size }));

/** `a-00001-of-00003.gguf` and so on, from `a-#.gguf`. */
const shards = (pattern: string, total: number): string[] =>
  Array.from({ length: total }, (_, index) => {
    const pad = (value: number) => String(value).padStart(5, '0');
    return pattern.replace('#', `${pad(index + 1)}-of-${pad(total)}`);
  });

const wish = (fields: Partial<Wish> = {}): Wish => ({ files: [], include: [], exclude: [], quant: null, ...fields });

const select = (paths: readonly string[], fields: Partial<Wish> = {}): readonly string[] =>
  selectFiles(tree(paths), wish(fields));

function refusalOf(files: readonly TreeFile[], fields: Partial<Wish> = {}): { message: string; hint: string } {
  try {
    selectFiles(files, wish(fields));
  } catch (error) {
    if (!(error instanceof RbeeError)) throw error;
    expect(error.code).toBe('MODEL_NOT_FOUND');
    return { message: error.message, hint: error.hint ?? '' };
  }
  throw new Error('the files were chosen');
}

const HOUSEKEEPING = ['.gitattributes', 'README.md'];

const BARTOWSKI = [
  ...HOUSEKEEPING,
  ...['IQ2_M', 'IQ3_XXS', 'IQ4_NL', 'IQ4_XS', 'Q2_K', 'Q2_K_L', 'Q3_K_XL', 'Q4_0', 'Q4_0_4_4', 'Q4_1'].map(
    (quant) => `Llama-3.2-3B-Instruct-${quant}.gguf`,
  ),
  ...['Q4_K_L', 'Q4_K_M', 'Q4_K_S', 'Q5_K_L', 'Q5_K_M', 'Q6_K', 'Q6_K_L', 'Q8_0', 'f16', 'bf16'].map(
    (quant) => `Llama-3.2-3B-Instruct-${quant}.gguf`,
  ),
  'Llama-3.2-3B-Instruct-imatrix.gguf',
  'Llama-3.2-3B-Instruct.imatrix',
];

const UNSLOTH = [
  ...HOUSEKEEPING,
  ...shards('BF16/Qwen3-32B-BF16-#.gguf', 2),
  'Qwen3-32B-IQ4_XS.gguf',
  'Qwen3-32B-Q5_K_M.gguf',
  'Qwen3-32B-Q8_0.gguf',
  'Qwen3-32B-UD-IQ1_S.gguf',
  'Qwen3-32B-UD-Q4_K_M.gguf',
  'Qwen3-32B-UD-Q4_K_XL.gguf',
  'Qwen3-32B-UD-Q8_K_XL.gguf',
  'config.json',
  'imatrix_unsloth.dat',
  'mmproj-BF16.gguf',
  'mmproj-F16.gguf',
];

const THEBLOKE = [
  ...HOUSEKEEPING,
  'config.json',
  ...['Q2_K', 'Q3_K_L', 'Q4_0', 'Q4_K_M', 'Q5_0', 'Q5_K_M', 'Q6_K', 'Q8_0'].map((q) => `llama-2-7b-chat.${q}.gguf`),
];

const DEEPSEEK = [
  ...HOUSEKEEPING,
  'DeepSeek-R1-Q4_K_M/DeepSeek-R1-Q4_K_M-00001-of-00003.gguf',
  'DeepSeek-R1-Q4_K_M/DeepSeek-R1-Q4_K_M-00002-of-00003.gguf',
  'DeepSeek-R1-Q4_K_M/DeepSeek-R1-Q4_K_M-00003-of-00003.gguf',
  ...shards('DeepSeek-R1-Q8_0/DeepSeek-R1.Q8_0-#.gguf', 4),
  ...shards('DeepSeek-R1-UD-IQ1_S/DeepSeek-R1-UD-IQ1_S-#.gguf', 3),
  ...shards('UD-Q2_K_XL/DeepSeek-R1-#.gguf', 5),
];

const QWEN = [
  ...HOUSEKEEPING,
  'LICENSE',
  'qwen2.5-7b-instruct-fp16-00001-of-00002.gguf',
  'qwen2.5-7b-instruct-fp16-00002-of-00002.gguf',
  'qwen2.5-7b-instruct-q2_k.gguf',
  'qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf',
  'qwen2.5-7b-instruct-q4_k_m-00002-of-00002.gguf',
  'qwen2.5-7b-instruct-q8_0-00001-of-00002.gguf',
];

const LLAMA = [
  ...HOUSEKEEPING,
  'LICENSE',
  'USE_POLICY.md',
  'config.json',
  'generation_config.json',
  ...shards('model-#.safetensors', 4),
  'model.safetensors.index.json',
  'original/consolidated.00.pth',
  'original/params.json',
  'original/tokenizer.model',
  'special_tokens_map.json',
  'tokenizer.json',
  'tokenizer_config.json',
];

const BERT = [
  '.gitattributes',
  'LICENSE',
  'README.md',
  'config.json',
  'coreml/fill-mask/float32_model.mlpackage/Manifest.json',
  'flax_model.msgpack',
  'model.onnx',
  'model.safetensors',
  'pytorch_model.bin',
  'rust_model.ot',
  'tf_model.h5',
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.txt',
];

const SENTENCE_TRANSFORMERS = [
  ...HOUSEKEEPING,
  '1_Pooling/config.json',
  '2_Dense/config.json',
  '2_Dense/pytorch_model.bin',
  '3_Dense/config.json',
  '3_Dense/model.safetensors',
  '3_Dense/pytorch_model.bin',
  'config.json',
  'config_sentence_transformers.json',
  'data_config.json',
  'model.safetensors',
  'modules.json',
  'onnx/config.json',
  'onnx/model.onnx',
  'onnx/model_O4.onnx',
  'openvino/openvino_model.bin',
  'openvino/openvino_model.xml',
  'pytorch_model.bin',
  'rust_model.ot',
  'sentence_bert_config.json',
  'special_tokens_map.json',
  'tf_model.h5',
  'tokenizer.json',
  'tokenizer_config.json',
  'train_script.py',
  'vocab.txt',
];

const DIFFUSERS = [
  ...HOUSEKEEPING,
  'flux-dev.safetensors',
  'model_index.json',
  'scheduler/scheduler_config.json',
  'text_encoder/config.json',
  'text_encoder/model.fp16.safetensors',
  'text_encoder/model.safetensors',
  'text_encoder/pytorch_model.bin',
  'text_encoder_2/config.json',
  ...shards('text_encoder_2/model-#.safetensors', 2),
  'text_encoder_2/model.safetensors.index.json',
  'tokenizer/merges.txt',
  'tokenizer/vocab.json',
  'tokenizer_2/spiece.model',
  'transformer/config.json',
  ...shards('transformer/diffusion_pytorch_model-#.safetensors', 3),
  'transformer/diffusion_pytorch_model.safetensors.index.json',
  'vae/config.json',
  'vae/diffusion_pytorch_model.bin',
  'vae_decoder/diffusion_pytorch_model.fp16.safetensors',
  'vae_decoder/diffusion_pytorch_model.non_ema.safetensors',
  'onnx/config.json',
  'onnx/model.onnx',
];

const MISTRAL = [
  ...HOUSEKEEPING,
  'config.json',
  'consolidated.safetensors',
  'consolidated.safetensors.index.json',
  'generation_config.json',
  ...shards('model-#.safetensors', 3),
  'model.safetensors.index.json',
  'params.json',
  'pytorch_model-00001-of-00002.bin',
  'pytorch_model-00002-of-00002.bin',
  'pytorch_model.bin.index.json',
  'tekken.json',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer.model.v3',
  'tokenizer_config.json',
];

const trees = { BARTOWSKI, UNSLOTH, THEBLOKE, DEEPSEEK, QWEN, LLAMA, BERT, SENTENCE_TRANSFORMERS, DIFFUSERS, MISTRAL };

describe('a ref that names no files, where the repo has GGUF files', () => {
  it.each<[what: string, paths: readonly string[], chosen: readonly string[]]>([
    ['Q4_K_M among many', BARTOWSKI, ['Llama-3.2-3B-Instruct-Q4_K_M.gguf']],
    ['the dynamic Q4_K_M before Q5_K_M, as llama.cpp does', UNSLOTH, ['Qwen3-32B-UD-Q4_K_M.gguf', 'mmproj-BF16.gguf']],
    ['Q4_K_M after a dot', THEBLOKE, ['llama-2-7b-chat.Q4_K_M.gguf']],
    ['all shards in their folder', DEEPSEEK, shards('DeepSeek-R1-Q4_K_M/DeepSeek-R1-Q4_K_M-#.gguf', 3)],
    ['all shards of a name in small letters', QWEN, shards('qwen2.5-7b-instruct-q4_k_m-#.gguf', 2)],
    ['Q4_0 before Q8_0', ['m-Q8_0.gguf', 'm-Q4_0.gguf', 'm-Q6_K.gguf'], ['m-Q4_0.gguf']],
    ['Q5_0 before Q8_0', ['m-Q8_0.gguf', 'm-Q5_0.gguf'], ['m-Q5_0.gguf']],
    ['Q8_0 before F16', ['m-F16.gguf', 'm-Q8_0.gguf', 'm-F32.gguf'], ['m-Q8_0.gguf']],
    ['F16 written as fp16', ['m-fp16.gguf', 'm-q6_k.gguf'], ['m-fp16.gguf']],
    ['Q4_0, not its repacked layouts', ['m-Q4_0_4_4.gguf', 'm-Q4_0_8_8.gguf', 'm-Q4_0.gguf'], ['m-Q4_0.gguf']],
    ['the last tag of a name', ['m-f16-Q6_K.gguf', 'm-f16.Q4_K_M.gguf'], ['m-f16.Q4_K_M.gguf']],
    ['a tag behind an underscore', ['m_7b_q4_k_m.gguf', 'm_7b_q8_0.gguf'], ['m_7b_q4_k_m.gguf']],
    ['a tag behind "i1"', ['m.i1-IQ3_M.gguf', 'm.i1-Q4_K_M.gguf'], ['m.i1-Q4_K_M.gguf']],
    ['a tag that only the folder has', ['Q4_K_M/m.gguf', 'Q8_0/m.gguf'], ['Q4_K_M/m.gguf']],
    [
      'the plain folder, not the dynamic one',
      ['UD-Q4_K_M/m-Q4_K_M.gguf', 'Q4_K_M/m-Q4_K_M.gguf'],
      ['Q4_K_M/m-Q4_K_M.gguf'],
    ],
    ['an extension in capitals', ['m-Q4_K_M.GGUF', 'm-Q8_0.GGUF'], ['m-Q4_K_M.GGUF']],
    [
      'the next one where the best set lacks a shard',
      [...shards('m-Q4_K_M-#.gguf', 3).slice(1), 'm-Q8_0.gguf'],
      ['m-Q8_0.gguf'],
    ],
    [
      'the whole set where an upload left parts of another',
      ['m-Q4_K_M-00001-of-00009.gguf', ...shards('m-Q4_K_M-#.gguf', 2)],
      shards('m-Q4_K_M-#.gguf', 2),
    ],
    [
      'the one file where there are shards of it too',
      ['m-Q4_K_M.gguf', ...shards('m-Q4_K_M-#.gguf', 2)],
      ['m-Q4_K_M.gguf'],
    ],
    [
      'the only GGUF, whatever its quantisation',
      ['README.md', 'm-IQ2_XXS.gguf', 'mmproj-m-f16.gguf'],
      ['m-IQ2_XXS.gguf', 'mmproj-m-f16.gguf'],
    ],
    ['the only GGUF, without any tag', ['gemma-2b.gguf', ...LLAMA], ['gemma-2b.gguf']],
    ['the only set', shards('m-UD-Q2_K_XL-#.gguf', 3), shards('m-UD-Q2_K_XL-#.gguf', 3)],
    ['GGUF before safetensors', [...LLAMA, 'm-Q4_K_M.gguf', 'm-Q6_K.gguf'], ['m-Q4_K_M.gguf']],
    [
      'never the projector alone',
      ['m.mmproj-Q8_0.gguf', 'm-mmproj-f16.gguf', 'mmproj-model-Q4_K_M.gguf', 'm-Q8_0.gguf'],
      ['m-Q8_0.gguf', 'm.mmproj-Q8_0.gguf'],
    ],
    ['never the imatrix', ['imatrix-Q4_K_M.gguf', 'm.imatrix.gguf', 'm-F16.gguf'], ['m-F16.gguf']],
  ])('takes %s', (_, paths, chosen) => {
    expect(select(paths)).toEqual(chosen);
  });

  it('takes the nearest to Q4_K_M where none of the preferred ones is there, of complete ones', () => {
    const incompleteSet = 'm-Q4_K_S-00001-of-00002.gguf';
    expect(select(['m-IQ4_XS.gguf', 'm-Q6_K.gguf', 'm-UD-Q4_K_XL.gguf', incompleteSet])).toEqual(['m-UD-Q4_K_XL.gguf']);
  });

  it('lists the files where no name tells a quantisation', () => {
    expect(refusalOf(tree(['small.gguf', 'large.gguf'])).hint).toContain('large.gguf, small.gguf');
  });

  it.each([
    ['two names', ['small-Q4_K_M.gguf', 'large-Q4_K_M.gguf']],
    ['two folders', ['small/model-Q4_K_M.gguf', 'large/model-Q4_K_M.gguf']],
  ])('does not guess between two models of the same quantisation: %s', (_, paths) => {
    const { message, hint } = refusalOf(tree([...paths, 'x-Q8_0.gguf']));
    expect(message).toContain('several models');
    for (const path of paths) expect(hint).toContain(path);
    expect(hint).not.toContain('Q8_0');
  });

  it('says how much of a set is there where all are incomplete', () => {
    const { message, hint } = refusalOf(tree(shards('m-Q4_K_M-#.gguf', 3).slice(0, 2)));
    expect(message).toBe('the set m-Q4_K_M is incomplete');
    expect(hint).toBe('the repo has 2 of its 3 shards');
  });
});

describe('a ref that names a quantisation', () => {
  it.each<[quant: string, paths: readonly string[], chosen: readonly string[]]>([
    ['Q6_K', BARTOWSKI, ['Llama-3.2-3B-Instruct-Q6_K.gguf']],
    ['q6_k_l', BARTOWSKI, ['Llama-3.2-3B-Instruct-Q6_K_L.gguf']],
    ['F16', BARTOWSKI, ['Llama-3.2-3B-Instruct-f16.gguf']],
    ['BF16', UNSLOTH, [...shards('BF16/Qwen3-32B-BF16-#.gguf', 2), 'mmproj-BF16.gguf']],
    ['UD-Q4_K_XL', UNSLOTH, ['Qwen3-32B-UD-Q4_K_XL.gguf', 'mmproj-BF16.gguf']],
    ['ud-q4_k_m', UNSLOTH, ['Qwen3-32B-UD-Q4_K_M.gguf', 'mmproj-BF16.gguf']],
    ['Q4_K_M', UNSLOTH, ['Qwen3-32B-UD-Q4_K_M.gguf', 'mmproj-BF16.gguf']],
    ['Q4_K_XL', UNSLOTH, ['Qwen3-32B-UD-Q4_K_XL.gguf', 'mmproj-BF16.gguf']],
    ['FP16', QWEN, shards('qwen2.5-7b-instruct-fp16-#.gguf', 2)],
    ['UD-Q2_K_XL', DEEPSEEK, shards('UD-Q2_K_XL/DeepSeek-R1-#.gguf', 5)],
    ['IQ2_KS', ['m-smol-IQ2_KS.gguf', 'm-IQ1_M_R4.gguf'], ['m-smol-IQ2_KS.gguf']],
    ['MXFP4', ['gpt-oss-20b-mxfp4.gguf', 'gpt-oss-20b-F16.gguf'], ['gpt-oss-20b-mxfp4.gguf']],
    ['TQ1_0', ['m-TQ1_0.gguf', 'm-TQ2_0.gguf'], ['m-TQ1_0.gguf']],
    ['Q4', ['m-q4.gguf', 'm-q8.gguf'], ['m-q4.gguf']],
  ])('takes %s', (quant, paths, chosen) => {
    expect(select(paths, { quant })).toEqual(chosen);
  });

  it.each([
    ['UD-Q5_K_M', UNSLOTH, 'the plain one where only that is there'],
    ['IQ4_K_M', BARTOWSKI, 'one that nobody made'],
    ['Q4_K', BARTOWSKI, 'the first part of another'],
    ['TURBO', THEBLOKE, 'a word'],
  ])('does not take %s', (quant, paths) => {
    const { message, hint } = refusalOf(tree(paths), { quant });
    expect(message).toBe(`the repo has no GGUF with quantisation ${quant}`);
    expect(hint).toContain('Q5_K_M');
    expect(hint).not.toContain('mmproj');
  });

  it('lists all quantisations of a usual repo', () => {
    const { hint } = refusalOf(tree(BARTOWSKI), { quant: 'Q7_K' });
    for (const quant of ['BF16', 'F16', 'IQ2_M', 'IQ4_NL', 'Q2_K_L', 'Q4_0_4_4', 'Q8_0']) expect(hint).toContain(quant);
  });

  it('says how much of its set is there', () => {
    expect(refusalOf(tree(QWEN), { quant: 'Q8_0' })).toEqual({
      message: 'the set qwen2.5-7b-instruct-q8_0 is incomplete',
      hint: 'the repo has 1 of its 2 shards',
    });
  });

  it('does not take safetensors in its place', () => {
    expect(refusalOf(tree(LLAMA), { quant: 'F16' }).hint).toBe('the repo has no complete GGUF');
  });
});

describe('a ref that names no files, where the repo has safetensors', () => {
  const allBut = (paths: readonly string[], ...patterns: RegExp[]): string[] =>
    paths.filter((path) => !patterns.some((pattern) => pattern.test(path))).sort();
  const TEXTS = /^(?:\.gitattributes|README\.md|LICENSE|USE_POLICY\.md)$/;

  it.each<[what: string, paths: readonly string[], chosen: readonly string[]]>([
    [
      'the shards, their index, configuration and tokenizer, not the original',
      LLAMA,
      allBut(LLAMA, TEXTS, /^original/),
    ],
    [
      'the one file, not the other formats',
      BERT,
      ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json', 'vocab.txt'],
    ],
    [
      'the modules of a sentence transformer, converted or not',
      SENTENCE_TRANSFORMERS,
      allBut(SENTENCE_TRANSFORMERS, TEXTS, /^onnx|^openvino|\.ot$|\.h5$|^pytorch_model|^3_Dense\/pytorch/),
    ],
    [
      'the components of a pipeline, each in one precision',
      DIFFUSERS,
      allBut(DIFFUSERS, TEXTS, /^flux|^onnx|text_encoder\/(?:model\.fp16|pytorch)|non_ema/),
    ],
    ['the shards, not the consolidated copy', MISTRAL, allBut(MISTRAL, TEXTS, /^consolidated/, /^pytorch_model/)],
    [
      'the code of a model with its own, and every form of vocabulary',
      [
        'model-1-of-2.safetensors',
        'model-2-of-2.safetensors',
        'chat_template.jinja',
        'modeling_x.py',
        'tiktoken.model',
        'merges.txt',
        'a.tiktoken',
        'figures/a.png',
        'notes.txt',
      ],
      [
        'a.tiktoken',
        'chat_template.jinja',
        'merges.txt',
        'model-1-of-2.safetensors',
        'model-2-of-2.safetensors',
        'modeling_x.py',
        'tiktoken.model',
      ],
    ],
    [
      'what an index may name besides the numbered files',
      [
        ...shards('model-#.safetensors', 2),
        'model.safetensors.index.json',
        'mtp.safetensors',
        'model.fp16.safetensors',
        'adapter_model.safetensors',
      ],
      [...shards('model-#.safetensors', 2), 'model.safetensors.index.json', 'mtp.safetensors'],
    ],
    [
      'numbered files of another pattern',
      ['config.json', ...shards('model.safetensors-#.safetensors', 2), 'model.safetensors.index.json'],
      ['config.json', ...shards('model.safetensors-#.safetensors', 2), 'model.safetensors.index.json'],
    ],
    [
      'the one file where there are shards of it too',
      ['model.safetensors', ...shards('model-#.safetensors', 2), 'config.json'],
      ['config.json', 'model.safetensors'],
    ],
    ['a lone variant', ['config.json', 'model.fp16.safetensors'], ['config.json', 'model.fp16.safetensors']],
    [
      'an adapter',
      ['README.md', 'adapter_config.json', 'adapter_model.safetensors'],
      ['adapter_config.json', 'adapter_model.safetensors'],
    ],
    [
      'a file of any name',
      ['config.json', 'gptq_model-4bit-128g.safetensors'],
      ['config.json', 'gptq_model-4bit-128g.safetensors'],
    ],
    [
      'the model, not the checkpoints of its training',
      ['checkpoint-500/config.json', 'checkpoint-500/model.safetensors', 'config.json', 'model.safetensors'],
      ['config.json', 'model.safetensors'],
    ],
    [
      'the templates beside the first one',
      ['additional_chat_templates/tools.jinja', 'chat_template.jinja', 'model.safetensors', 'other/tools.jinja'],
      ['additional_chat_templates/tools.jinja', 'chat_template.jinja', 'model.safetensors'],
    ],
    ['a model beside a projector that is GGUF', ['mmproj-F16.gguf', 'model.safetensors'], ['model.safetensors']],
  ])('takes %s', (_, paths, chosen) => {
    expect(select(paths)).toEqual(chosen.toSorted());
  });

  it('refuses a set with missing shards', () => {
    const paths = allBut(LLAMA, /model-00002/);
    expect(refusalOf(tree(paths))).toEqual({
      message: 'the set model is incomplete',
      hint: 'the repo has 3 of its 4 shards',
    });
  });

  it('does not guess between several files of no known name', () => {
    const { message, hint } = refusalOf(tree(['a.safetensors', 'b.safetensors', 'config.json']));
    expect(message).toContain('3.0 GB');
    expect(hint).toContain('a.safetensors (1.0 GB), b.safetensors (1.0 GB)');
  });

  it('does not take a converted module for a model whose own weights are not converted', () => {
    expect(() => select(['modules.json', 'pytorch_model.bin', '2_Dense/model.safetensors'])).toThrow('neither a GGUF');
  });
});

describe('a ref that names no files, where the repo has neither', () => {
  const whisper = ['.gitattributes', 'README.md', 'ggml-base.bin', 'ggml-large.bin', 'ggml-tiny.bin'];

  it('takes the whole of a small repo', () => {
    expect(selectFiles(tree(whisper, 200_000_000), wish())).toEqual(whisper);
  });

  it('lists the largest files of another with their sizes, and says how to ask for them', () => {
    const files = whisper.map((path, index) => ({ path, size: index * 400_000_000 }));
    const { message, hint } = refusalOf(files);
    expect(message).toContain('4.0 GB in total');
    expect(hint).toContain('::include=*');
    expect(hint).toContain('ggml-tiny.bin (1.6 GB), ggml-large.bin (1.2 GB), ggml-base.bin (800.0 MB)');
  });

  it('has nothing to choose from an empty repo', () => {
    for (const fields of [{}, { files: ['a'] }, { include: ['*'] }, { quant: 'Q4_0' }]) {
      expect(refusalOf([], fields).message).toBe('the repo has no files');
    }
  });
});

describe('a ref that names files', () => {
  it('takes exactly those, in its order, even one shard of a set', () => {
    const files = ['tokenizer.json', 'model-00002-of-00004.safetensors', 'README.md'];
    expect(select(LLAMA, { files })).toEqual(files);
  });

  it.each<[name: string, paths: readonly string[], suggestion: string]>([
    ['Llama-3.2-3B-Instruct-Q4_KM.gguf', BARTOWSKI, 'Llama-3.2-3B-Instruct-Q4_K_M.gguf'],
    ['llama-3.2-3b-instruct-q4_k_m.gguf', BARTOWSKI, 'Llama-3.2-3B-Instruct-Q4_K_M.gguf'],
    ['Qwen3-32B-BF16-00001-of-00002.gguf', UNSLOTH, 'BF16/Qwen3-32B-BF16-00001-of-00002.gguf'],
    ['onnx', SENTENCE_TRANSFORMERS, 'onnx/model.onnx'],
    ['tokeniser.json', LLAMA, 'tokenizer.json'],
  ])('suggests for %s what is near', (name, paths, suggestion) => {
    const { message, hint } = refusalOf(tree(paths), { files: [name] });
    expect(message).toBe(`the repo has no file ${name}`);
    expect(hint).toContain('did you mean');
    expect(hint).toContain(suggestion);
  });

  it('puts the nearest first', () => {
    expect(refusalOf(tree(LLAMA), { files: ['Tokenizer.json'] }).hint).toMatch(/^did you mean tokenizer\.json,/);
  });

  it('lists files where nothing is near, and names all that are missing', () => {
    const { message, hint } = refusalOf(tree(['weights.bin', 'a.txt']), { files: ['a.txt', 'zzz', 'q'] });
    expect(message).toBe('the repo has no file zzz, q');
    expect(hint).toBe('the repo has a.txt, weights.bin');
  });
});

describe('a ref with globs', () => {
  it.each<[what: string, fields: Partial<Wish>, chosen: readonly string[]]>([
    [
      'what an include matches, in folders too',
      { include: ['*.bin'] },
      ['2_Dense/pytorch_model.bin', '3_Dense/pytorch_model.bin', 'openvino/openvino_model.bin', 'pytorch_model.bin'],
    ],
    [
      'what any include matches',
      { include: ['onnx/*.onnx', 'vocab.*'] },
      ['onnx/model.onnx', 'onnx/model_O4.onnx', 'vocab.txt'],
    ],
    ['a path without wildcards', { include: ['1_Pooling/config.json', 'absent'] }, ['1_Pooling/config.json']],
    [
      'a folder with a slash at its end',
      { include: ['openvino/'] },
      ['openvino/openvino_model.bin', 'openvino/openvino_model.xml'],
    ],
    [
      'what no exclude matches',
      { include: ['*Dense/*'], exclude: ['*.bin', '3_*.json'] },
      ['2_Dense/config.json', '3_Dense/model.safetensors'],
    ],
    ['all but the excluded where there is no include', { exclude: ['*.*', 'nothing'] }, []],
    ['hidden files', { include: ['.*'] }, ['.gitattributes']],
    [
      'sets of characters',
      { include: ['[12]_*/config.json', '[!a-z0-9.]*'] },
      ['1_Pooling/config.json', '2_Dense/config.json', 'README.md'],
    ],
    ['one character, even a slash', { include: ['onnx?config.json'] }, ['onnx/config.json']],
  ])('takes %s', (_, fields, chosen) => {
    if (chosen.length > 0) expect(select(SENTENCE_TRANSFORMERS, fields)).toEqual(chosen);
    else expect(refusalOf(tree(SENTENCE_TRANSFORMERS), fields).message).toBe('the globs match no file of the repo');
  });

  // The left side is matched by the glob, the right side is not: as Python's fnmatch.fnmatchcase answers.
  it.each<[glob: string, yes: readonly string[], no: readonly string[]]>([
    ['*', ['a', 'a/b/c', '.x'], []],
    ['**/*.json', ['a/x.json', 'a/b/x.json', '/x.json'], ['x.json']],
    ['a*b*c', ['abc', 'aXbYc', 'abbcc', 'a/b/c'], ['abcd', 'acb']],
    ['*a', ['a', 'aa', 'ba'], ['ab', '']],
    ['?', ['a', '/', '🐝'], ['', 'ab']],
    ['[ab]', ['a', 'b'], ['c', 'ab', '[ab]']],
    ['[!ab]', ['c', '!', '/'], ['a', 'b']],
    ['[a-c-]', ['b', '-'], ['d']],
    ['[]]', [']'], ['[', '']],
    ['[!]]', ['a'], [']']],
    ['[]-]', [']', '-'], ['a']],
    ['[', ['['], ['a']],
    ['[a', ['[a'], ['a']],
    ['[!', ['[!'], ['a', '!']],
    ['[]', ['[]'], [']']],
    ['[!]', ['[!]'], ['a']],
    ['[^a]', ['^', 'a'], ['b']],
    ['[c-a]', [], ['a', 'b', 'c']],
    ['{a,b}', ['{a,b}'], ['a', 'b']],
    ['!a', ['!a'], ['a', 'b']],
    ['a.b', ['a.b'], ['axb']],
    ['+(a)|b$', ['+(a)|b$'], ['a', 'b']],
    ['A', ['A'], ['a']],
    ['a/', ['a/b', 'a/b/c', 'a/'], ['a', 'ba/c']],
  ])('reads %s as Python does', (glob, yes, no) => {
    const matched = (path: string): boolean =>
      selectFiles(tree([path, 'control'], 1), wish({ include: [glob, 'control'] })).includes(path);
    expect(yes.filter((path) => !matched(path))).toEqual([]);
    expect(no.filter(matched)).toEqual([]);
  });

  it('answers a glob of many stars at once, where a regular expression would never end', () => {
    const paths = Array.from({ length: 100 }, (_, index) => `${'a'.repeat(200)}${index}`);
    expect(refusalOf(tree(paths), { include: [`${'*a'.repeat(100)}*b`] }).message).toContain('no file');
  });

  it('lists files where nothing is left', () => {
    const { message, hint } = refusalOf(tree(THEBLOKE), { include: ['*.GGUF'] });
    expect(message).toBe('the globs match no file of the repo');
    expect(hint).toContain('llama-2-7b-chat.Q4_K_M.gguf');
  });
});

describe('a refusal', () => {
  const many = Array.from({ length: 10_000 }, (_, index) => `folder/${'x'.repeat(100)}-${index}.gguf`);

  it.each<[what: string, fields: Partial<Wish>]>([
    ['no wish', {}],
    ['a quantisation', { quant: 'Q4_0' }],
    ['a glob', { include: ['zzz'] }],
    ['files', { files: Array.from({ length: 30 }, (_, index) => `${'y'.repeat(300)}${index}`) }],
  ])('is short for a repo of ten thousand files: %s', (_, fields) => {
    const { message, hint } = refusalOf(tree(many), fields);
    expect(message.length + hint.length).toBeLessThan(1_500);
  });

  it('says how many it does not list', () => {
    const { hint } = refusalOf(tree(many), { include: ['zzz'] });
    const [, rest] = /and (\d+) more$/.exec(hint) ?? [];
    expect(Number(rest) + hint.split(', ').filter((text) => text.includes('…')).length).toBe(10_000);
  });

  it('prints no control characters of a repo', () => {
    const { hint } = refusalOf(tree(['a\u001b[2J\u202e\n.bin', '\ud800']), { files: ['zzzz'] });
    expect(hint).toBe('the repo has a?[2J??.bin, ?');
  });
});

describe('whatever the tree', () => {
  const piece = fc.constantFrom(
    'model',
    'm',
    '-',
    '.',
    '_',
    '/',
    'Q4_K_M',
    'q8_0',
    'UD-',
    'IQ2_M',
    'F16',
    'mmproj',
    'imatrix',
    'mtp-',
    'eagle3-',
    'i1-',
    'lora',
    'MXFP4_MOE',
    'IQ4_XS',
  );
  const shard = fc.constantFrom(
    '',
    '-00001-of-00002',
    '-00002-of-00002',
    '-00000-of-00000',
    '-00009-of-00002',
    '-1-of-999999',
  );
  const end = fc.constantFrom(
    '.gguf',
    '.safetensors',
    '.safetensors.index.json',
    '.bin',
    '.json',
    '.txt',
    '',
    '\ud800',
    '..',
  );
  const built = fc
    .tuple(fc.array(piece, { maxLength: 5 }), shard, end)
    .map(([pieces, number, tail]) => pieces.join('') + number + tail);
  const known = fc.constantFrom(
    ...Object.values(trees).flat(),
    'modules.json',
    'model_index.json',
    'model.safetensors',
  );
  const path = fc.oneof(built, known, fc.string({ unit: 'binary', maxLength: 8 }));
  const size = fc.oneof(fc.nat(1_000), fc.nat(2_000_000_000));
  const files = fc.oneof(
    fc.array(fc.record({ path, size }), { maxLength: 30 }),
    fc.constantFrom(...Object.values(trees)).map((paths) => tree(paths)),
  );
  const anyGlob = fc.array(fc.constantFrom('*', '?', '[', ']', '!', '-', 'a', 'm', '.', '/', 'gguf'), { maxLength: 6 });
  const globs = fc.array(
    anyGlob.map((parts) => parts.join('')),
    { maxLength: 2 },
  );
  const quant = fc.constantFrom('Q4_K_M', 'Q8_0', 'UD-Q4_K_XL', 'I1-Q4_K_M', 'MXFP4', 'F16', 'X');
  const wishes = fc.oneof(
    fc.constant(wish()),
    quant.map((value) => wish({ quant: value })),
    fc.tuple(globs, globs).map(([include, exclude]) => wish({ include, exclude })),
    fc.uniqueArray(path, { maxLength: 2 }).map((names) => wish({ files: names })),
  );

  const outcome = (tree: readonly TreeFile[], wanted: Wish): readonly string[] | string => {
    try {
      return selectFiles(tree, wanted);
    } catch (error) {
      if (!(error instanceof RbeeError)) throw error;
      expect(error.code).toBe('MODEL_NOT_FOUND');
      return `${error.message} (${error.hint})`;
    }
  };

  it('the choice is some of its files, each once, and never none', () => {
    let chosen = 0;
    fc.assert(
      fc.property(files, wishes, (tree, wanted) => {
        const result = outcome(tree, wanted);
        if (typeof result === 'string') return;
        chosen += 1;
        const there = new Set(tree.map((file) => file.path));
        expect(result.length).toBeGreaterThan(0);
        expect(new Set(result).size).toBe(result.length);
        expect(result.filter((name) => !there.has(name))).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
    expect(chosen).toBeGreaterThan(100);
  });

  it('[H1] a chosen GGUF is one model and at most one projector, in this order', () => {
    let withProjector = 0;
    const rules = fc.option(quant, { nil: null }).map((value) => wish({ quant: value }));
    fc.assert(
      fc.property(files, rules, (tree, wanted) => {
        const result = outcome(tree, wanted);
        if (typeof result === 'string' || !result.every((name) => /\.gguf$/i.test(name))) return;
        const projectors = result.filter(isProjector);
        const models = result.slice(0, result.length - projectors.length);
        expect(projectors).toEqual(result.slice(models.length));
        expect(models.length).toBeGreaterThan(0);
        expect(new Set(models.map((name) => shardOf(name)?.glob ?? name)).size).toBe(1);
        expect(new Set(projectors.map((name) => shardOf(name)?.glob ?? name)).size).toBeLessThan(2);
        withProjector += projectors.length > 0 ? 1 : 0;
      }),
      { numRuns: 3_000 },
    );
    expect(withProjector).toBeGreaterThan(10);
  });

  it('the choice, or the refusal, is the same for every order of it', () => {
    const shuffled = fc
      .uniqueArray(fc.record({ path, size }), { maxLength: 30, selector: (file) => file.path })
      .chain((tree) => fc.tuple(fc.constant(tree), fc.shuffledSubarray(tree, { minLength: tree.length })));
    fc.assert(
      fc.property(shuffled, wishes, ([tree, other], wanted) => {
        expect(outcome(other, wanted)).toEqual(outcome(tree, wanted));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each(Object.entries(trees))('the choice of %s is the same backwards', (_, paths) => {
    expect(select(paths.toReversed())).toEqual(select(paths));
  });

  it('globs and their negation share the files out', () => {
    fc.assert(
      fc.property(files, globs, (tree, include) => {
        const taken = outcome(tree, wish({ include: [...include, 'x'] }));
        const left = outcome(tree, wish({ exclude: [...include, 'x'] }));
        const all = [...(typeof taken === 'string' ? [] : taken), ...(typeof left === 'string' ? [] : left)];
        expect(all.sort()).toEqual([...new Set(tree.map((file) => file.path))].sort());
      }),
    );
  });
});
