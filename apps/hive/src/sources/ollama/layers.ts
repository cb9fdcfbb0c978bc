import { type OllamaRef, printModelRef, RbeeError } from '@rbee/contract';
import { safeFileName } from '../names.ts';

/** A layer of a manifest. */
export interface Layer {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** A layer and the name that its file gets. */
export interface LayerFile {
  readonly kind: Kind;
  readonly path: string;
  readonly layer: Layer;
  /** Whether it lies beside the model and is no part of the weights. */
  readonly isBeside: boolean;
}

type Kind = keyof typeof KINDS;

const TYPE = /^application\/vnd\.ollama\.image\.([a-z]+)$/;
/** Layers of these kinds are small; more than one of a kind gets a number. */
const KINDS = {
  model: (name: string) => `${name}.gguf`,
  // Names that llama.cpp and the list of models know as no model.
  projector: (name: string) => `mmproj-${name}.gguf`,
  adapter: (name: string) => `${name}-lora.gguf`,
  template: () => 'template.txt',
  system: () => 'system.txt',
  params: () => 'params.json',
  messages: () => 'messages.json',
  license: () => 'license.txt',
} as const;
const MAX_FILES = 100;

/**
 * The files of a model: its weights first, then what belongs to them.
 * @throws RbeeError MODEL_NOT_FOUND where a part of the model cannot be kept: the rest would be another model
 */
export function filesOfLayers(layers: readonly Layer[], ref: OllamaRef): readonly [LayerFile, ...LayerFile[]] {
  const base = (safeFileName(`${ref.name}-${ref.tag}.gguf`) ?? 'model.gguf').replace(/\.gguf$/, '');
  const counts = new Map<string, number>();
  const files: LayerFile[] = [];
  for (const layer of withoutRepeats(layers)) {
    const kind = TYPE.exec(layer.mediaType)?.[1] ?? '';
    if (kind === 'tensor') throw refused(ref, 'tensors in place of one GGUF file');
    if (!isKind(kind)) continue;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    const path = numbered(KINDS[kind](base), count);
    files.push({ kind, path, layer, isBeside: kind !== 'model' });
  }
  const models = files.filter(({ kind }) => kind === 'model');
  const [model, ...more] = models;
  if (model === undefined) throw refused(ref, 'no model layer');
  if (more.length > 0) throw refused(ref, `${models.length} model layers`);
  if (files.length > MAX_FILES) throw refused(ref, `${files.length} layers`);
  return [model, ...files.filter((file) => file !== model)];
}

/** What there is beside the model, and what can be done with it. */
export function remarksOf(files: readonly LayerFile[]): readonly string[] {
  const namesOf = (kinds: readonly Kind[]) => files.filter(({ kind }) => kinds.includes(kind)).map(({ path }) => path);
  const remark = (kinds: readonly Kind[], text: (names: string) => string) => {
    const names = namesOf(kinds);
    return names.length === 0 ? [] : [text(names.join(', '))];
  };
  return [
    ...remark(['projector'], (names) => `the model sees images with ${names}: llama-server --mmproj`),
    ...remark(['adapter'], (names) => `the model is complete only with its adapter ${names}: llama-server --lora`),
    ...remark(
      ['template', 'system', 'params', 'messages'],
      (names) => `ollama's settings lie beside the model: ${names}; llama.cpp uses the template inside the GGUF file`,
    ),
    ...remark(['license'], (names) => `the license lies beside the model: ${names}`),
  ];
}

function isKind(kind: string): kind is Kind {
  return Object.hasOwn(KINDS, kind);
}

/** A layer that a manifest names twice is one file. Two model layers stay two: which is meant is not known. */
function withoutRepeats(layers: readonly Layer[]): readonly Layer[] {
  const seen = new Set<string>();
  return layers.filter(({ mediaType, digest }) => {
    const key = `${mediaType} ${digest}`;
    if (!/model$/.test(mediaType) && seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function numbered(name: string, count: number): string {
  return count === 1 ? name : name.replace(/(?=\.[a-z]+$)/, `-${count}`);
}

function refused(ref: OllamaRef, what: string): RbeeError {
  return new RbeeError('MODEL_NOT_FOUND', `${printModelRef(ref)} has ${what}`, {
    hint: 'only models of one GGUF file can be downloaded from a registry',
  });
}
