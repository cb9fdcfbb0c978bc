import { RbeeError } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import { selectFiles } from '../../src/selection/select-files.ts';
import { asLlamaCpp } from './as-llama-cpp.ts';

/** One repo, what llama.cpp takes of it and what we take; `null` is a refusal. */
interface Row {
  readonly repo: string;
  readonly paths: readonly string[];
  /** The quantisation that the ref names. */
  readonly tag?: string;
  readonly llama: readonly string[] | null;
  /** Where it differs, and why. */
  readonly ours?: readonly string[] | null;
  readonly why?: string;
}

const NEAREST = 'we take the nearest to Q4_K_M, it takes the first of the list';
const PREFERENCE = 'our list has Q5_K_M, Q4_0 and Q5_0 before Q8_0: half the memory';
const BY_CASE = 'we read names in any case, it reads ".gguf" and sidecars in small letters only';
const INCOMPLETE = 'it takes the shards that are there and cannot load them';
const AMBIGUOUS = 'it takes the first; we do not guess between two models';
const NO_GGUF = 'it reads GGUF only';

const SAFETENSORS = ['config.json', 'tokenizer.json', 'model.safetensors'].sort();
const SHARDED = [
  'config.json',
  'model-00001-of-00002.safetensors',
  'model-00002-of-00002.safetensors',
  'model.safetensors.index.json',
  'tokenizer.json',
];

/** The other sidecars: drafters of any kind, and importance matrices. */
const beside = (name: string): Row[] => [
  {
    repo: `a model and its ${name}`,
    paths: ['m-Q4_K_M.gguf', 'm-Q8_0.gguf', name],
    llama: ['m-Q4_K_M.gguf'],
  },
  {
    repo: `a model and its ${name}, by quantisation`,
    paths: ['m-Q4_K_M.gguf', 'm-Q8_0.gguf', name],
    tag: 'Q4_K_M',
    llama: ['m-Q4_K_M.gguf'],
  },
];

const MODELS: readonly Row[] = [
  { repo: 'one GGUF', paths: ['README.md', 'm.gguf'], llama: ['m.gguf'] },
  {
    repo: 'several quantisations',
    paths: ['m-Q2_K.gguf', 'm-Q4_K_M.gguf', 'm-Q8_0.gguf', 'm-f16.gguf'],
    llama: ['m-Q4_K_M.gguf'],
  },
  {
    repo: 'several quantisations after a dot',
    paths: ['m.Q2_K.gguf', 'm.Q4_K_M.gguf', 'm.Q8_0.gguf'],
    llama: ['m.Q4_K_M.gguf'],
  },
  {
    repo: 'Q5_K_M and Q8_0',
    paths: ['m-Q5_K_M.gguf', 'm-Q8_0.gguf'],
    llama: ['m-Q8_0.gguf'],
    ours: ['m-Q5_K_M.gguf'],
    why: PREFERENCE,
  },
  {
    repo: 'Q4_0 and Q8_0',
    paths: ['m-Q4_0.gguf', 'm-Q8_0.gguf'],
    llama: ['m-Q8_0.gguf'],
    ours: ['m-Q4_0.gguf'],
    why: PREFERENCE,
  },
  { repo: 'MXFP4_MOE only', paths: ['README.md', 'm-MXFP4_MOE.gguf'], llama: ['m-MXFP4_MOE.gguf'] },
  { repo: 'NVFP4 only', paths: ['m-NVFP4.gguf'], llama: ['m-NVFP4.gguf'] },
  {
    repo: 'TQ1_0 and TQ2_0',
    paths: ['m-TQ1_0.gguf', 'm-TQ2_0.gguf'],
    llama: ['m-TQ1_0.gguf'],
    ours: ['m-TQ2_0.gguf'],
    why: NEAREST,
  },
  {
    repo: 'IQ4_XS, MXFP4_MOE and NVFP4',
    paths: ['m-IQ4_XS.gguf', 'm-MXFP4_MOE.gguf', 'm-NVFP4.gguf'],
    llama: ['m-IQ4_XS.gguf'],
  },
  {
    repo: 'quantisations outside the list',
    paths: ['m-IQ1_S.gguf', 'm-IQ2_M.gguf', 'm-IQ4_XS.gguf', 'm-Q6_K.gguf'],
    llama: ['m-IQ1_S.gguf'],
    ours: ['m-IQ4_XS.gguf'],
    why: NEAREST,
  },
  {
    repo: 'Q3_K_L and Q6_K',
    paths: ['m-Q2_K.gguf', 'm-Q3_K_L.gguf', 'm-Q6_K.gguf'],
    llama: ['m-Q2_K.gguf'],
    ours: ['m-Q3_K_L.gguf'],
    why: NEAREST,
  },
  { repo: 'BF16 and F32', paths: ['m-BF16.gguf', 'm-F32.gguf'], llama: ['m-BF16.gguf'] },
  { repo: 'a quantisation that is new', paths: ['m-Q4_HIFI.gguf', 'm-Q9_HIFI.gguf'], llama: ['m-Q4_HIFI.gguf'] },
  {
    repo: 'dynamic ones only',
    paths: ['m-UD-IQ1_S.gguf', 'm-UD-Q4_K_XL.gguf', 'm-UD-Q8_K_XL.gguf'],
    llama: ['m-UD-IQ1_S.gguf'],
    ours: ['m-UD-Q4_K_XL.gguf'],
    why: NEAREST,
  },
  { repo: 'a dynamic Q4_K_M and Q8_0', paths: ['m-Q8_0.gguf', 'm-UD-Q4_K_M.gguf'], llama: ['m-UD-Q4_K_M.gguf'] },
  { repo: 'a dynamic and a plain Q4_K_M', paths: ['m-Q4_K_M.gguf', 'm-UD-Q4_K_M.gguf'], llama: ['m-Q4_K_M.gguf'] },
  {
    repo: 'a dynamic Q4_K_XL, without its prefix',
    paths: ['m-Q8_0.gguf', 'm-UD-Q4_K_XL.gguf'],
    tag: 'Q4_K_XL',
    llama: ['m-UD-Q4_K_XL.gguf'],
  },
  {
    repo: 'a dynamic Q4_K_XL, with its prefix',
    paths: ['m-Q4_K_XL.gguf', 'm-UD-Q4_K_XL.gguf'],
    tag: 'UD-Q4_K_XL',
    llama: ['m-UD-Q4_K_XL.gguf'],
  },
  {
    repo: 'a dynamic Q4_K_M, without its prefix',
    paths: ['m-Q5_K_M.gguf', 'm-UD-Q4_K_M.gguf'],
    tag: 'Q4_K_M',
    llama: ['m-UD-Q4_K_M.gguf'],
  },
  {
    repo: 'a plain and a dynamic one, the plain one',
    paths: ['m-Q4_K_XL.gguf', 'm-UD-Q4_K_XL.gguf'],
    tag: 'Q4_K_XL',
    llama: ['m-Q4_K_XL.gguf'],
  },
  {
    repo: 'imatrix quantisations beside plain ones',
    paths: ['m.Q4_K_M.gguf', 'm.i1-Q4_K_M.gguf'],
    llama: ['m.Q4_K_M.gguf'],
  },
  {
    repo: 'imatrix quantisations beside plain ones, the plain one',
    paths: ['m.Q4_K_M.gguf', 'm.i1-Q4_K_M.gguf'],
    tag: 'Q4_K_M',
    llama: ['m.Q4_K_M.gguf'],
  },
  {
    repo: 'imatrix quantisations beside plain ones, the other',
    paths: ['m.Q4_K_M.gguf', 'm.i1-Q4_K_M.gguf'],
    tag: 'I1-Q4_K_M',
    llama: ['m.i1-Q4_K_M.gguf'],
  },
  { repo: 'imatrix quantisations only', paths: ['m.i1-IQ3_M.gguf', 'm.i1-Q4_K_M.gguf'], llama: ['m.i1-Q4_K_M.gguf'] },
  {
    repo: 'imatrix quantisations only, without the prefix',
    paths: ['m.i1-IQ3_M.gguf', 'm.i1-Q4_K_M.gguf'],
    tag: 'IQ3_M',
    llama: ['m.i1-IQ3_M.gguf'],
  },
  {
    repo: 'MXFP4_MOE, asked for as MXFP4',
    paths: ['m-MXFP4_MOE.gguf', 'm-Q8_0.gguf'],
    tag: 'MXFP4',
    llama: null,
    ours: ['m-MXFP4_MOE.gguf'],
    why: 'it wants the end of the word; people write the format',
  },
  { repo: 'MXFP4 and MXFP4_MOE', paths: ['m-MXFP4.gguf', 'm-MXFP4_MOE.gguf'], tag: 'MXFP4', llama: ['m-MXFP4.gguf'] },
  {
    repo: 'a publisher’s own word',
    paths: ['m-IQ2_KS.gguf', 'm-smol-IQ2_KS.gguf'],
    tag: 'SMOL-IQ2_KS',
    llama: ['m-smol-IQ2_KS.gguf'],
  },
  {
    repo: 'fp16, asked for as F16',
    paths: ['m-fp16.gguf', 'm-q4_k_m.gguf'],
    tag: 'F16',
    llama: null,
    ours: ['m-fp16.gguf'],
    why: 'both are names of one format',
  },
  {
    repo: 'BF16 and F16, asked for as F16',
    paths: ['m-BF16.gguf', 'm-F16.gguf'],
    tag: 'F16',
    llama: ['m-BF16.gguf'],
    ours: ['m-F16.gguf'],
    why: 'its pattern also finds the end of another word',
  },
  {
    repo: 'IQ4_NL, asked for as Q4_NL',
    paths: ['m-IQ4_NL.gguf'],
    tag: 'Q4_NL',
    llama: ['m-IQ4_NL.gguf'],
    ours: null,
    why: 'its pattern also finds the end of another word',
  },
  { repo: 'a quantisation that is not there', paths: ['m-Q4_K_M.gguf'], tag: 'Q6_K', llama: null },
  { repo: 'the beginning of a quantisation', paths: ['m-Q4_K_M.gguf'], tag: 'Q4_K', llama: null },
  ...beside('mtp-m-Q4_K_M.gguf'),
  ...beside('eagle3-m-Q4_K_M.gguf'),
  ...beside('dflash-m-Q4_K_M.gguf'),
  ...beside('dspark-m-Q4_K_M.gguf'),
  ...beside('m-mtp-Q4_K_M.gguf'),
  ...beside('imatrix-Q4_K_M.gguf'),
  ...beside('imatrix.dat'),
  ...beside('m.imatrix.gguf'),
  {
    repo: 'a drafter in capitals',
    paths: ['MTP-m-Q4_K_M.gguf', 'm-Q4_K_M.gguf'],
    llama: ['MTP-m-Q4_K_M.gguf'],
    ours: ['m-Q4_K_M.gguf'],
    why: BY_CASE,
  },
  {
    repo: 'a model with MTP in its name',
    paths: ['m-MTP-Q4_K_M.gguf', 'm-MTP-Q8_0.gguf'],
    llama: ['m-MTP-Q4_K_M.gguf'],
  },
  { repo: 'drafters only', paths: ['eagle3-m-Q4_K_M.gguf', 'eagle3-m-Q8_0.gguf'], llama: null },
  {
    repo: 'a model with imatrix in its name',
    paths: ['m-imatrix-Q4_K_M.gguf'],
    llama: null,
    ours: ['m-imatrix-Q4_K_M.gguf'],
    why: 'the word in the middle says how the model was made; the matrix itself ends or begins with it',
  },
  {
    repo: 'a LoRA adapter beside a model',
    paths: ['lora-m-Q4_K_M.gguf', 'm-Q4_K_M.gguf'],
    llama: ['lora-m-Q4_K_M.gguf'],
    ours: ['m-Q4_K_M.gguf'],
    why: 'an adapter alone answers nothing',
  },
  { repo: 'a LoRA adapter only', paths: ['README.md', 'm-lora-F16.gguf'], llama: ['m-lora-F16.gguf'] },
  {
    repo: 'two models of one quantisation',
    paths: ['large-Q4_K_M.gguf', 'small-Q4_K_M.gguf'],
    llama: ['large-Q4_K_M.gguf'],
    ours: null,
    why: AMBIGUOUS,
  },
  {
    repo: 'two models without a quantisation',
    paths: ['large.gguf', 'small.gguf'],
    llama: ['large.gguf'],
    ours: null,
    why: AMBIGUOUS,
  },
  { repo: 'a name without a quantisation beside one with', paths: ['m-Q8_0.gguf', 'm.gguf'], llama: ['m-Q8_0.gguf'] },
  { repo: 'a quantisation in small letters', paths: ['M-q4_k_m.gguf', 'M-q8_0.gguf'], llama: ['M-q4_k_m.gguf'] },
  { repo: 'an extension in capitals', paths: ['m-Q4_K_M.GGUF'], llama: null, ours: ['m-Q4_K_M.GGUF'], why: BY_CASE },
  {
    repo: 'quantisations in the names of folders only',
    paths: ['Q2_K/m.gguf', 'Q4_K_M/m.gguf'],
    llama: ['Q2_K/m.gguf'],
    ours: ['Q4_K_M/m.gguf'],
    why: 'it wants a "." or "-" behind the word and finds a "/"',
  },
  {
    repo: 'quantisations in the names of files and folders',
    paths: ['Q2_K/m-Q2_K.gguf', 'Q4_K_M/m-Q4_K_M.gguf'],
    llama: ['Q4_K_M/m-Q4_K_M.gguf'],
  },
  {
    repo: 'a preset',
    paths: ['m-Q4_K_M.gguf', 'preset.ini'],
    llama: ['preset.ini'],
    ours: ['m-Q4_K_M.gguf'],
    why: 'a preset is a setting of its server and names other repos',
  },
  {
    repo: 'GGUF and safetensors',
    paths: ['config.json', 'm-Q4_K_M.gguf', 'model.safetensors'],
    llama: ['m-Q4_K_M.gguf'],
  },
  { repo: 'nothing', paths: [], llama: null },
  { repo: 'a README only', paths: ['README.md'], llama: null, ours: ['README.md'], why: NO_GGUF },
  { repo: 'safetensors in one file', paths: SAFETENSORS, llama: null, ours: SAFETENSORS, why: NO_GGUF },
  { repo: 'safetensors in shards', paths: SHARDED, llama: null, ours: SHARDED, why: NO_GGUF },
  {
    repo: 'safetensors in shards and consolidated',
    paths: ['consolidated.safetensors', ...SHARDED],
    llama: null,
    ours: SHARDED,
    why: NO_GGUF,
  },
  ...['pytorch_model.bin', 'onnx/model.onnx', 'tf_model.h5', 'flax_model.msgpack', 'weights.npz'].map((copy) => ({
    repo: `safetensors and ${copy}`,
    paths: [...SAFETENSORS, copy].sort(),
    llama: null,
    ours: SAFETENSORS,
    why: NO_GGUF,
  })),
  {
    repo: 'a safetensors adapter',
    paths: ['adapter_config.json', 'adapter_model.safetensors'],
    llama: null,
    ours: ['adapter_config.json', 'adapter_model.safetensors'],
    why: NO_GGUF,
  },
  {
    repo: 'a diffusers pipeline',
    paths: [
      'all-in-one.safetensors',
      'model_index.json',
      'unet/config.json',
      'unet/diffusion_pytorch_model.safetensors',
    ],
    llama: null,
    ours: ['model_index.json', 'unet/config.json', 'unet/diffusion_pytorch_model.safetensors'],
    why: NO_GGUF,
  },
  {
    repo: 'a sentence-transformers model',
    paths: ['1_Pooling/config.json', 'config.json', 'model.safetensors', 'modules.json', 'onnx/model.onnx'],
    llama: null,
    ours: ['1_Pooling/config.json', 'config.json', 'model.safetensors', 'modules.json'],
    why: NO_GGUF,
  },
];

const set = (stem: string, total: number): string[] =>
  Array.from({ length: total }, (_, index) => `${stem}-0000${index + 1}-of-0000${total}.gguf`);

const SHARD_ROWS: readonly Row[] = [
  { repo: 'shards side by side', paths: [...set('m-Q4_K_M', 2), 'm-Q8_0.gguf'], llama: set('m-Q4_K_M', 2) },
  {
    repo: 'shards in folders',
    paths: [...set('BF16/m-BF16', 3), ...set('Q4_K_M/m-Q4_K_M', 2)],
    llama: set('Q4_K_M/m-Q4_K_M', 2),
  },
  {
    repo: 'shards in folders, by quantisation',
    paths: [...set('BF16/m-BF16', 3), 'm-Q8_0.gguf'],
    tag: 'BF16',
    llama: set('BF16/m-BF16', 3),
  },
  {
    repo: 'shards of a dynamic quantisation',
    paths: set('UD-Q2_K_XL/m-UD-Q2_K_XL', 3),
    tag: 'Q2_K_XL',
    llama: set('UD-Q2_K_XL/m-UD-Q2_K_XL', 3),
  },
  {
    repo: 'shards behind an underscore',
    paths: ['m-Q4_K_M_00001-of-00002.gguf', 'm-Q4_K_M_00002-of-00002.gguf'],
    llama: ['m-Q4_K_M_00001-of-00002.gguf'],
    ours: ['m-Q4_K_M_00001-of-00002.gguf', 'm-Q4_K_M_00002-of-00002.gguf'],
    why: 'it takes a shard in this form for a whole model',
  },
  {
    repo: 'shards in short numbers',
    paths: ['m-Q4_K_M-1-of-2.gguf', 'm-Q4_K_M-2-of-2.gguf'],
    llama: ['m-Q4_K_M-1-of-2.gguf'],
    ours: ['m-Q4_K_M-1-of-2.gguf', 'm-Q4_K_M-2-of-2.gguf'],
    why: 'it takes a shard in this form for a whole model',
  },
  {
    repo: 'an incomplete set and a whole model',
    paths: [...set('m-Q4_K_M', 3).slice(0, 2), 'm-Q8_0.gguf'],
    llama: set('m-Q4_K_M', 3).slice(0, 2),
    ours: ['m-Q8_0.gguf'],
    why: INCOMPLETE,
  },
  {
    repo: 'an incomplete set only',
    paths: set('m-Q4_K_M', 3).slice(0, 2),
    llama: set('m-Q4_K_M', 3).slice(0, 2),
    ours: null,
    why: INCOMPLETE,
  },
  {
    repo: 'an incomplete set, by quantisation',
    paths: [...set('m-Q4_K_M', 3).slice(1), 'm-Q8_0.gguf'],
    tag: 'Q4_K_M',
    llama: null,
  },
  { repo: 'one shard of one', paths: ['m-Q4_K_M-00001-of-00001.gguf'], llama: ['m-Q4_K_M-00001-of-00001.gguf'] },
];

const vision = (...projectors: string[]): string[] => ['m-F16.gguf', 'm-Q4_K_M.gguf', ...projectors].sort();

const VISION: readonly Row[] = [
  { repo: 'one projector', paths: vision('mmproj-F16.gguf'), llama: ['m-Q4_K_M.gguf', 'mmproj-F16.gguf'] },
  {
    repo: 'one projector, by quantisation',
    paths: vision('mmproj-F16.gguf'),
    tag: 'F16',
    llama: ['m-F16.gguf', 'mmproj-F16.gguf'],
  },
  {
    repo: 'projectors in BF16, F16 and F32',
    paths: vision('mmproj-BF16.gguf', 'mmproj-F16.gguf', 'mmproj-F32.gguf'),
    llama: ['m-Q4_K_M.gguf', 'mmproj-BF16.gguf'],
  },
  {
    repo: 'projectors in F16 and F32',
    paths: vision('mmproj-F16.gguf', 'mmproj-F32.gguf'),
    llama: ['m-Q4_K_M.gguf', 'mmproj-F16.gguf'],
  },
  {
    repo: 'projectors in F16 and Q8_0',
    paths: vision('mmproj-F16.gguf', 'mmproj-Q8_0.gguf'),
    llama: ['m-Q4_K_M.gguf', 'mmproj-Q8_0.gguf'],
  },
  {
    repo: 'projectors in F16 and Q8_0, for a model in F16',
    paths: vision('mmproj-F16.gguf', 'mmproj-Q8_0.gguf'),
    tag: 'F16',
    llama: ['m-F16.gguf', 'mmproj-F16.gguf'],
  },
  {
    repo: 'mmproj-model-f16',
    paths: vision('mmproj-model-f16.gguf'),
    llama: ['m-Q4_K_M.gguf', 'mmproj-model-f16.gguf'],
  },
  { repo: 'model-mmproj', paths: vision('m-mmproj.gguf'), llama: ['m-Q4_K_M.gguf', 'm-mmproj.gguf'] },
  { repo: 'm.mmproj-f16', paths: vision('m.mmproj-f16.gguf'), llama: ['m-Q4_K_M.gguf', 'm.mmproj-f16.gguf'] },
  {
    repo: 'a projector named after the model',
    paths: vision('mmproj-m-f16.gguf'),
    llama: ['m-Q4_K_M.gguf', 'mmproj-m-f16.gguf'],
  },
  {
    repo: 'shards and a projector',
    paths: [...set('m-Q4_K_M', 2), 'mmproj-F16.gguf'],
    llama: [...set('m-Q4_K_M', 2), 'mmproj-F16.gguf'],
  },
  {
    repo: 'a model in a folder, the projector above',
    paths: [...set('BF16/m-BF16', 2), 'mmproj-F16.gguf'],
    tag: 'BF16',
    llama: [...set('BF16/m-BF16', 2), 'mmproj-F16.gguf'],
  },
  {
    repo: 'models and projectors in folders',
    paths: ['a/m-Q4_K_M.gguf', 'a/mmproj-F32.gguf', 'b/m-Q8_0.gguf', 'b/mmproj-F16.gguf', 'mmproj-Q8_0.gguf'],
    llama: ['a/m-Q4_K_M.gguf', 'a/mmproj-F32.gguf'],
  },
  {
    repo: 'a projector in another folder',
    paths: ['a/m-Q4_K_M.gguf', 'b/mmproj-F16.gguf'],
    llama: ['a/m-Q4_K_M.gguf'],
  },
  {
    repo: 'a folder for projectors',
    paths: ['m-Q4_K_M.gguf', 'mmproj/m-F16.gguf'],
    llama: ['m-Q4_K_M.gguf'],
    ours: ['m-Q4_K_M.gguf', 'mmproj/m-F16.gguf'],
    why: 'it looks at file names, not at a folder beside the model',
  },
  {
    repo: 'a folder for projectors and nothing else',
    paths: ['mmproj/m-F16.gguf'],
    llama: ['mmproj/m-F16.gguf', 'mmproj/m-F16.gguf'],
    ours: null,
    why: 'it takes the projector for the model',
  },
  {
    repo: 'several models with projectors of their own',
    paths: ['mmproj-vl-2b-f16.gguf', 'mmproj-vl-7b-f16.gguf', 'vl-2b-Q4_K_M.gguf', 'vl-7b-Q8_0.gguf'],
    tag: 'Q8_0',
    llama: ['vl-7b-Q8_0.gguf', 'mmproj-vl-2b-f16.gguf'],
    ours: ['vl-7b-Q8_0.gguf', 'mmproj-vl-7b-f16.gguf'],
    why: 'of equal bits it takes the first, which belongs to another model',
  },
  {
    repo: 'a projector in capitals',
    paths: ['MMPROJ-F16.gguf', 'm-Q4_K_M.gguf'],
    llama: ['m-Q4_K_M.gguf'],
    ours: ['m-Q4_K_M.gguf', 'MMPROJ-F16.gguf'],
    why: BY_CASE,
  },
  { repo: 'projectors only', paths: ['mmproj-F16.gguf', 'mmproj-Q8_0.gguf'], llama: null },
  {
    repo: 'a quantisation that only the projector has',
    paths: ['m-Q4_K_M.gguf', 'mmproj-F16.gguf'],
    tag: 'F16',
    llama: null,
  },
  {
    repo: 'a drafter and a projector',
    paths: ['m-Q4_K_M.gguf', 'mmproj-F16.gguf', 'mtp-m-Q4_K_M.gguf'],
    llama: ['m-Q4_K_M.gguf', 'mmproj-F16.gguf'],
  },
  {
    repo: 'a projector beside safetensors',
    paths: ['mmproj-F16.gguf', ...SAFETENSORS].sort(),
    llama: null,
    ours: SAFETENSORS,
    why: NO_GGUF,
  },
];

function ours(paths: readonly string[], tag: string | undefined): readonly string[] | null {
  const tree = paths.map((path) => ({ path, size: 1_000 }));
  try {
    return selectFiles(tree, { files: [], include: [], exclude: [], quant: tag ?? null });
  } catch (error) {
    if (!(error instanceof RbeeError)) throw error;
    expect(error.code).toBe('MODEL_NOT_FOUND');
    return null;
  }
}

function compare({ paths, tag, llama, why, ...row }: Row): void {
  const expected = row.ours === undefined ? llama : row.ours;
  // The hub lists by path.
  expect(asLlamaCpp([...paths].sort(), tag), 'llama.cpp').toEqual(llama);
  expect(ours(paths, tag), 'ours').toEqual(expected);
  expect(why !== undefined, 'a difference has a reason, and only that').toBe(expected !== llama);
}

describe('what a ref takes, beside what llama.cpp takes', () => {
  it.each(MODELS.map((row) => [row.repo, row] as const))('[H1] %s', (_, row) => compare(row));

  it.each(SHARD_ROWS.map((row) => [row.repo, row] as const))('[H5] %s', (_, row) => compare(row));

  it.each(VISION.map((row) => [row.repo, row] as const))('[H2] %s', (_, row) => compare(row));
});

describe('a vision model without its projector', () => {
  it.each([
    ['mmproj*', 'mmproj-F16.gguf'],
    ['*mmproj*', 'm-mmproj-f16.gguf'],
    ['*mmproj*.gguf', 'mmproj/m-F16.gguf'],
  ])('[H2] ::exclude=%s leaves out %s and changes nothing else', (glob, projector) => {
    const tree = vision(projector, 'README.md').map((path) => ({ path, size: 1 }));
    const take = (quant: string | null, exclude: readonly string[]) =>
      selectFiles(tree, { files: [], include: [], exclude, quant });
    expect(take(null, [])).toEqual(['m-Q4_K_M.gguf', projector]);
    expect(take(null, [glob])).toEqual(['m-Q4_K_M.gguf']);
    expect(take('F16', [glob])).toEqual(['m-F16.gguf']);
  });

  it('[H2] one of several projectors can be left out', () => {
    const tree = vision('mmproj-F16.gguf', 'mmproj-Q8_0.gguf').map((path) => ({ path, size: 1 }));
    const taken = selectFiles(tree, { files: [], include: [], exclude: ['mmproj-Q8*'], quant: null });
    expect(taken).toEqual(['m-Q4_K_M.gguf', 'mmproj-F16.gguf']);
  });

  it('[H2] any other exclude still takes all other files', () => {
    const tree = vision('mmproj-F16.gguf', 'README.md').map((path) => ({ path, size: 1 }));
    const taken = selectFiles(tree, { files: [], include: [], exclude: ['*.md', 'mmproj*'], quant: null });
    expect(taken).toEqual(['m-F16.gguf', 'm-Q4_K_M.gguf']);
  });
});
