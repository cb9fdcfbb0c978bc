import { isProjector, RbeeError } from '@rbee/contract';
import { listed } from './listed.ts';
import { withProjector } from './projector.ts';
import { bitsPerWeight, type Quant, quantNamed, spelled } from './quant.ts';
import { incomplete, isComplete, quantOf, type WeightSet, weightSets } from './weight-set.ts';

/** Best first, where a ref names no quantisation; then the nearest in size to the first one. */
const PREFERRED_QUANTS: readonly string[] = ['Q4_K_M', 'Q5_K_M', 'Q4_0', 'Q5_0', 'Q8_0', 'F16'];
const IDEAL: Quant = { prefix: '', tag: 'Q4_K_M' };

const GGUF = /\.gguf$/i;
// What goes with a model and is a GGUF file too: the importance matrix of a quantisation, and drafters, which guess the
// next tokens. `MTP` in the middle of a name is about the model.
const IMATRIX = /^imatrix|[-._]imatrix$/i;
const DRAFTER = /^(?:mtp|eagle3|dflash|dspark)-/i;
const DRAFTER_INSIDE = /[-._](?:mtp|eagle3|dflash|dspark)-/;
/** Alone it is what a repo is for; beside a model it is an addition. */
const ADAPTER = /(?:^|[-._])(?:lora|adapter)(?=$|[-._])/i;

/** The GGUF files of a repo, and which of them are models. */
export interface GgufFiles {
  readonly models: readonly WeightSet[];
  /** Projectors, drafters and importance matrices: never the model. */
  readonly sidecars: readonly WeightSet[];
}

export function ggufFiles(paths: readonly string[]): GgufFiles {
  const all = weightSets(paths, GGUF);
  const weights = all.filter((set) => !isSidecar(set));
  const models = weights.filter(({ stem }) => !ADAPTER.test(stem));
  return { models: models.length > 0 ? models : weights, sidecars: all.filter(isSidecar) };
}

function isSidecar({ stem, paths: [path = ''] }: WeightSet): boolean {
  return isProjector(path) || IMATRIX.test(stem) || DRAFTER.test(stem) || DRAFTER_INSIDE.test(stem);
}

/** The model of one quantisation, with its projector. */
export function ggufOfQuant(files: GgufFiles, name: string): readonly string[] {
  const { models } = files;
  const found = namedSets(models, name);
  const chosen = soleModel(found.filter(isComplete));
  if (chosen !== null) return withProjector(chosen, files.sidecars);
  if (found[0] !== undefined) throw incomplete(found[0]);
  const quant = quantNamed(name);
  const wanted = quant === null ? name.toUpperCase() : spelled(quant);
  throw new RbeeError('MODEL_NOT_FOUND', `the repo has no GGUF with quantisation ${wanted}`, { hint: choices(models) });
}

/** The sets that a name means: all of exactly that quantisation, else all whose name says more. */
function namedSets(sets: readonly WeightSet[], name: string): readonly WeightSet[] {
  const quant = quantNamed(name);
  // `SMOL-IQ2_KS`: a publisher's own words.
  if (quant === null) return sets.filter((set) => hasWords(set, name));
  const { prefix, tag } = quant;
  const exact = sets.filter((set) => spelledOf(set) === spelled(quant));
  if (exact.length > 0 || prefix !== '') return exact;
  // `Q4_K_XL` is also found as `UD-Q4_K_XL`, `MXFP4` as `MXFP4_MOE`.
  const prefixed = sets.filter((set) => quantOf(set)?.tag === tag);
  if (prefixed.length > 0 || !/^(?:MX|NV)FP\d$/.test(tag)) return prefixed;
  return sets.filter((set) => quantOf(set)?.tag.startsWith(`${tag}_`));
}

function hasWords({ folder, stem }: WeightSet, words: string): boolean {
  const name = `/${folder}${stem}/`.toUpperCase();
  const wanted = words.toUpperCase();
  for (let at = name.indexOf(wanted); at > 0; at = name.indexOf(wanted, at + 1)) {
    if (/[-._/]/.test(name[at - 1] ?? '') && /[-./]/.test(name[at + wanted.length] ?? '')) return true;
  }
  return false;
}

/** The model of the best quantisation in a repo, with its projector. */
export function preferredGguf(files: GgufFiles): readonly string[] {
  const whole = files.models.filter(isComplete);
  const [first] = files.models;
  if (whole.length === 0 && first !== undefined) throw incomplete(first);
  const chosen = soleModel(bestSets(whole));
  if (chosen !== null) return withProjector(chosen, files.sidecars);
  const hint = `name one with ::file=: ${listed(files.sidecars.flatMap(({ paths }) => paths))}`;
  throw new RbeeError('MODEL_NOT_FOUND', 'the repo has only parts that go with a model', { hint });
}

/** The complete sets of the best quantisation; all where no name tells one. */
function bestSets(whole: readonly WeightSet[]): readonly WeightSet[] {
  const named = whole.filter((set) => quantOf(set) !== null);
  const [best] = named.toSorted((a, b) => rankOf(a) - rankOf(b) || distanceOf(a) - distanceOf(b) || byName(a, b));
  return best === undefined ? whole : named.filter((set) => spelledOf(set) === spelledOf(best));
}

function rankOf(set: WeightSet): number {
  const rank = PREFERRED_QUANTS.indexOf(quantOf(set)?.tag ?? '');
  return rank < 0 ? PREFERRED_QUANTS.length : rank;
}

/** How far in size from the ideal. */
function distanceOf(set: WeightSet): number {
  return Math.abs(bitsPerWeight(quantOf(set) ?? IDEAL) - bitsPerWeight(IDEAL));
}

/** The plain one before the dynamic one, and that before the one by an importance matrix. */
function byName(a: WeightSet, b: WeightSet): number {
  const order = (set: WeightSet) => ['', 'UD-', 'I1-'].indexOf(quantOf(set)?.prefix ?? '');
  return order(a) - order(b) || ((spelledOf(a) ?? '') < (spelledOf(b) ?? '') ? -1 : 1);
}

function spelledOf(set: WeightSet): string | null {
  const quant = quantOf(set);
  return quant === null ? null : spelled(quant);
}

/** The only model among complete sets; null where there are no sets. */
function soleModel(sets: readonly WeightSet[]): WeightSet | null {
  const [chosen] = sets.toSorted((a, b) => a.total - b.total);
  if (chosen === undefined) return null;
  // A file and shards of the same name are one model twice; another name or folder is another model.
  if (sets.every((set) => set.folder === chosen.folder && set.stem === chosen.stem)) return chosen;
  const hint = `name one with ::file= (or ::include= for shards): ${listed(sets.flatMap((set) => set.paths))}`;
  throw new RbeeError('MODEL_NOT_FOUND', 'several models of the repo match', { hint });
}

function choices(sets: readonly WeightSet[]): string {
  const whole = sets.filter(isComplete);
  const quants = new Set(whole.map(spelledOf).filter((quant) => quant !== null));
  if (quants.size > 0) return `add one of these to the repo, as in org/repo:QUANT: ${listed([...quants].sort())}`;
  if (whole.length > 0) return `name one with ::file=: ${listed(whole.flatMap((set) => set.paths))}`;
  return 'the repo has no complete GGUF';
}
