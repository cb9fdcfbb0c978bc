import { RbeeError } from '@rbee/contract';
import { listed } from './listed.ts';
import { incomplete, isComplete, type WeightSet, weightSets } from './weight-set.ts';

/** Best first, where a ref names no quantisation. */
const PREFERRED_QUANTS = ['Q4_K_M', 'Q5_K_M', 'Q4_0', 'Q5_0', 'Q8_0', 'F16'] as const;

// The vision part of a model and the importance matrix of a quantisation are GGUF files too, but not models.
const NO_MODEL = /(?:^|[-._])mmproj(?:$|[-._])|^imatrix|[-._]imatrix$/i;
// As publishers write them: `-Q4_K_M`, `.Q4_K_M`, `_q4_k_m`, `-UD-Q4_K_XL`, `.i1-IQ2_XXS`, `-fp16`, `-MXFP4_MOE`.
const QUANT =
  /(?<=^|[-._/])(?:UD-)?(?:I?Q\d(?:_(?:K[A-Z]{0,2}|X{0,2}[SL]|M|NL|P|[0148]|R[48]))*|TQ\d_\d|BF16|FP?(?:8|16|32)|(?:MX|NV)FP4(?:_MOE)?)(?=$|[-._/])/gi;

/** The models among the GGUF files of a repo. */
export function ggufModels(paths: readonly string[]): readonly WeightSet[] {
  return weightSets(paths, /\.gguf$/i).filter((set) => !NO_MODEL.test(set.stem));
}

/** The quantisation in a set's name, else in its folder's; null where neither has one. */
function quantOf(set: WeightSet): string | null {
  const inName = lastQuant(set.stem);
  const inFolder = lastQuant(set.folder);
  // The folder may say more: `UD-Q4_K_XL/model-Q4_K_XL.gguf` is not the plain quantisation.
  return inFolder === `UD-${inName}` ? inFolder : (inName ?? inFolder);
}

function lastQuant(text: string): string | null {
  const tag = text.match(QUANT)?.at(-1)?.toUpperCase();
  return tag?.replace(/^FP(?=16|32)/, 'F') ?? null;
}

/** The model of one quantisation. */
export function ggufOfQuant(sets: readonly WeightSet[], quant: string): readonly string[] {
  const wanted = lastQuant(quant) ?? quant.toUpperCase();
  const found = sets.filter((set) => quantOf(set) === wanted);
  const chosen = soleModel(found.filter(isComplete));
  if (chosen !== null) return chosen;
  if (found[0] !== undefined) throw incomplete(found[0]);
  throw new RbeeError('MODEL_NOT_FOUND', `the repo has no GGUF with quantisation ${wanted}`, { hint: choices(sets) });
}

/** The model of the best quantisation in a repo. */
export function preferredGguf(sets: readonly WeightSet[]): readonly string[] {
  const whole = sets.filter(isComplete);
  for (const quant of PREFERRED_QUANTS) {
    const chosen = soleModel(whole.filter((set) => quantOf(set) === quant));
    if (chosen !== null) return chosen;
  }
  if (whole.length === 0 && sets[0] !== undefined) throw incomplete(sets[0]);
  if (sets.length === 1 && whole[0] !== undefined) return whole[0].paths;
  const message = `the repo has GGUF files, but none of ${PREFERRED_QUANTS.join(', ')}`;
  throw new RbeeError('MODEL_NOT_FOUND', message, { hint: choices(sets) });
}

/** The files of the only model among complete sets; null where there are no sets. */
function soleModel(sets: readonly WeightSet[]): readonly string[] | null {
  const [chosen] = sets.toSorted((a, b) => a.total - b.total);
  if (chosen === undefined) return null;
  // A file and shards of the same name are one model twice; another name or folder is another model.
  if (sets.every((set) => set.folder === chosen.folder && set.stem === chosen.stem)) return chosen.paths;
  const hint = `name one with ::file= (or ::include= for shards): ${listed(sets.flatMap((set) => set.paths))}`;
  throw new RbeeError('MODEL_NOT_FOUND', 'several models of the repo match', { hint });
}

function choices(sets: readonly WeightSet[]): string {
  const whole = sets.filter(isComplete);
  const quants = new Set(whole.map(quantOf).filter((quant) => quant !== null));
  if (quants.size > 0) return `add one of these to the repo, as in org/repo:QUANT: ${listed([...quants].sort())}`;
  if (whole.length > 0) return `name one with ::file=: ${listed(whole.flatMap((set) => set.paths))}`;
  return 'the repo has no complete GGUF';
}
