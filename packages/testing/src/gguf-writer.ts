/** A metadata value with its GGUF type. */
export type GgufValue =
  | { readonly type: 'u32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'f32s' | 'i32s'; readonly value: readonly number[] };

export interface GgufTensor {
  readonly name: string;
  /** Fastest dimension first. */
  readonly shape: readonly number[];
  readonly dtype: 'F32' | 'F16';
}

export interface GgufHeader {
  /** Everything before the tensor data, padded to the alignment. */
  readonly bytes: Buffer;
  /** The whole file's size. */
  readonly fileSize: number;
  /** The offset of each tensor's data in the file, in the given order. */
  readonly offsets: readonly number[];
}

/** Tensor data and each tensor in it start at a multiple of this, the value of `general.alignment`. */
export const ggufAlignment = 32;

const VERSION = 3;
const VALUE_TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;
const TENSOR_TYPE = { F32: 0, F16: 1 } as const;
const BYTES_PER_ELEMENT = { F32: 4, F16: 2 } as const;

function tensorBytes({ shape, dtype }: GgufTensor): number {
  return shape.reduce((product, length) => product * length, 1) * BYTES_PER_ELEMENT[dtype];
}

/** The header of a GGUF v3 file, little-endian, as the specification of the format defines it. */
export function encodeGgufHeader(
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
): GgufHeader {
  const entries = Object.entries(metadata);
  const relative: number[] = [];
  let dataSize = 0;
  for (const tensor of tensors) {
    relative.push(dataSize);
    dataSize += aligned(tensorBytes(tensor));
  }
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(VERSION),
    u64(tensors.length),
    u64(entries.length),
    ...entries.flatMap(([key, value]) => [text(key), encodeValue(value)]),
    ...tensors.map((tensor, index) => encodeTensorInfo(tensor, relative[index] ?? 0)),
  ]);
  const bytes = Buffer.concat([head, Buffer.alloc(aligned(head.length) - head.length)]);
  return { bytes, fileSize: bytes.length + dataSize, offsets: relative.map((offset) => bytes.length + offset) };
}

function encodeValue(value: GgufValue): Buffer {
  switch (value.type) {
    case 'u32':
      return Buffer.concat([u32(VALUE_TYPE.u32), u32(value.value)]);
    case 'f32':
      return Buffer.concat([u32(VALUE_TYPE.f32), f32(value.value)]);
    case 'bool':
      return Buffer.concat([u32(VALUE_TYPE.bool), Buffer.from([value.value ? 1 : 0])]);
    case 'string':
      return Buffer.concat([u32(VALUE_TYPE.string), text(value.value)]);
    case 'strings':
      return encodeArray(VALUE_TYPE.string, value.value.map(text));
    case 'f32s':
      return encodeArray(VALUE_TYPE.f32, value.value.map(f32));
    case 'i32s':
      return encodeArray(VALUE_TYPE.i32, value.value.map(i32));
  }
}

function encodeArray(elementType: number, elements: readonly Buffer[]): Buffer {
  return Buffer.concat([u32(VALUE_TYPE.array), u32(elementType), u64(elements.length), ...elements]);
}

function encodeTensorInfo({ name, shape, dtype }: GgufTensor, offset: number): Buffer {
  return Buffer.concat([text(name), u32(shape.length), ...shape.map(u64), u32(TENSOR_TYPE[dtype]), u64(offset)]);
}

const aligned = (size: number): number => Math.ceil(size / ggufAlignment) * ggufAlignment;

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
