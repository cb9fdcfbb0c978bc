import { incomplete, isComplete, type WeightSet, weightSets } from './weight-set.ts';

/** The safetensors model of a repo with its companion files; null where it has none. */
export function safetensorsModel(paths: readonly string[]): string[] | null {
  const there = new Set(paths);
  const safetensors = weightSets(paths, /\.safetensors$/i).filter((set) => !/^consolidated/i.test(set.stem));
  const pickles = weightSets(paths, /\.bin$/i).filter((set) => /pytorch_model$/.test(set.stem));
  const weights: string[] = [];
  const folders = modelFolders(paths);
  for (const folder of folders) {
    // Weights next to the components of a pipeline are the same weights in one file.
    if (folder === '' && there.has('model_index.json')) continue;
    const inFolder = (set: WeightSet): boolean => set.folder === folder;
    const isIndexed = there.has(`${folder}model.safetensors.index.json`);
    const chosen = weightsOf(safetensors.filter(inFolder), isIndexed);
    const unconverted = chosen.length > 0 ? [] : weightsOf(pickles.filter(inFolder), false);
    if (folder === '' && unconverted.length > 0) return null;
    // A component that was never converted to safetensors is needed as it is.
    weights.push(...chosen, ...unconverted);
  }
  if (!weights.some((path) => /\.safetensors$/i.test(path))) return null;
  return [...weights, ...paths.filter((path) => isCompanion(path, folders))].sort();
}

/** The root, and the folders that are part of the model by convention. */
function modelFolders(paths: readonly string[]): Set<string> {
  const folders = new Set(['', 'additional_chat_templates/']);
  const isPipeline = paths.includes('model_index.json');
  const hasModules = paths.includes('modules.json');
  for (const path of paths) {
    const folder = /^[^/]+\/(?=[^/]+$)/.exec(path)?.[0] ?? '';
    if (isPipeline && !/^(?:\.|(?:onnx|openvino|coreml|flax|tf|original|gguf)\/)/i.test(folder)) folders.add(folder);
    if (hasModules && /^\d+_/.test(folder)) folders.add(folder);
  }
  return folders;
}

// The names that libraries look for, in their order.
const WEIGHT_NAMES = ['model', 'diffusion_pytorch_model', 'pytorch_model', 'adapter_model'] as const;
// The same weights in another precision, adapters, and another library's copy.
const NOT_INDEXED = /^(?:model\.(?!safetensors$)|adapter_|open_clip_)/;

/**
 * The weights that a folder is loaded from; empty where that is unclear. Two complete shard sets of one name are both
 * taken: only the content of the index says which one counts.
 */
function weightsOf(sets: readonly WeightSet[], isIndexed: boolean): string[] {
  const single = sets.find((set) => set.stem === 'model' && !set.isSharded);
  if (single !== undefined) return single.paths;
  const named = WEIGHT_NAMES.flatMap((name) => setsNamed(sets, name))[0];
  // An index may name more than the numbered files, such as layers for speculative decoding.
  const candidates = isIndexed
    ? sets.filter((set) => !NOT_INDEXED.test(set.stem))
    : sets.filter((set) => named === undefined || set.stem === named.stem);
  const whole = candidates.filter(isComplete);
  const broken = candidates.find((set) => !isComplete(set) && !whole.some(({ stem }) => stem === set.stem));
  if (broken !== undefined) throw incomplete(broken);
  return isIndexed || named !== undefined || whole.length === 1 ? whole.flatMap((set) => set.paths) : [];
}

/** The sets of a name, then of its variants such as `model.fp16`. */
function setsNamed(sets: readonly WeightSet[], name: string): WeightSet[] {
  return [...sets.filter((set) => set.stem === name), ...sets.filter((set) => set.stem.startsWith(`${name}.`))];
}

const INDEX = /\.index(?:\.\w+)?\.json$/;
const SAFETENSORS_INDEX = /^(?:diffusion_pytorch_)?model\.safetensors\.index(?:\.\w+)?\.json$/;
// Configuration, vocabularies of tokenizers, chat templates, and the code of models that bring their own.
const COMPANION = /\.(?:json|jinja|tiktoken|spm|py|model(?:\.v\w+)?)$|^(?:vocab|merges)[^/]*\.txt$/;

function isCompanion(path: string, folders: ReadonlySet<string>): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (!folders.has(path.slice(0, path.length - name.length)) || !COMPANION.test(name)) return false;
  return SAFETENSORS_INDEX.test(name) || !INDEX.test(name);
}
