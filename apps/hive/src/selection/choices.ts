import { type HfRef, RbeeError } from '@rbee/contract';
import { type GgufFiles, ggufFiles } from './gguf.ts';
import { withProjector } from './projector.ts';
import { spelled } from './quant.ts';
import { selectFiles, type TreeFile, type Wish } from './select-files.ts';
import { isComplete, quantOf, type WeightSet } from './weight-set.ts';

/** What can be downloaded of a repo. */
export interface Choice {
  /** The quantisation, or the name of the file or set; distinct. */
  readonly name: string;
  readonly quantisation: string | null;
  /** What a ref says to get exactly this. */
  readonly wish: Wish;
  /** Never empty. */
  readonly paths: readonly string[];
  /** Those that hold its weights. */
  readonly weights: readonly string[];
}

const NO_WISH = { files: [], include: [], exclude: [], quant: null } as const;

/**
 * Everything that the rules of `selectFiles` can choose: each complete GGUF model with its projector, else the one model that the repo
 * has. Empty where only names or globs can choose. `exclude` may leave out projectors.
 */
export function choicesOf(tree: readonly TreeFile[], exclude: HfRef['exclude']): Choice[] {
  const wish: Wish = { ...NO_WISH, exclude };
  const ggufs = attempt(() => ggufsOf(tree, wish)) ?? null;
  if (ggufs !== null && ggufs.models.length > 0) return ggufChoices(tree, ggufs, wish);
  const paths = attempt(() => selectFiles(tree, wish));
  if (paths === undefined) return [];
  const weights = paths.filter((path) => /\.safetensors$/i.test(path));
  const name = weights.length > 0 ? 'safetensors' : 'all files';
  return [{ name, quantisation: null, wish, paths, weights }];
}

/** The GGUF files that are left without what `wish` excludes. */
function ggufsOf(tree: readonly TreeFile[], wish: Wish): GgufFiles {
  const all = tree.map(({ path }) => path);
  return ggufFiles(wish.exclude.length === 0 ? all : [...selectFiles(tree, { ...wish, include: ['*'] })]);
}

function ggufChoices(tree: readonly TreeFile[], { models, sidecars }: GgufFiles, wish: Wish): Choice[] {
  const sets = models.filter(isComplete).sort((a, b) => a.total - b.total);
  // A file and shards of the same name are one model twice.
  const distinct = [...new Map(sets.toReversed().map((set) => [set.folder + set.stem, set])).values()].reverse();
  const names = distinct.map(quantNameOf);
  return distinct.map((set) => {
    const quantisation = quantNameOf(set);
    const paths = withProjector(set, sidecars);
    const isOnly = names.filter((name) => name === quantisation).length === 1;
    const name = quantisation !== null && isOnly ? quantisation : set.folder + set.stem;
    return { name, quantisation, wish: wishFor(tree, { set, quantisation, paths, wish }), paths, weights: set.paths };
  });
}

function wishFor(
  tree: readonly TreeFile[],
  {
    set,
    quantisation,
    paths,
    wish,
  }: { set: WeightSet; quantisation: string | null; paths: readonly string[]; wish: Wish },
): Wish {
  if (quantisation !== null) {
    const short = { ...wish, quant: quantisation };
    if (isSameFiles(attempt(() => selectFiles(tree, short)) ?? [], paths)) return short;
  }
  if (!set.isSharded) return { ...NO_WISH, files: paths };
  // Shards are too many to name.
  const globs = { ...NO_WISH, include: [set.glob, ...paths.filter((path) => !set.paths.includes(path))] };
  return isSameFiles(attempt(() => selectFiles(tree, globs)) ?? [], paths) ? globs : { ...NO_WISH, files: paths };
}

/** Whether two lists name the same files. */
export function isSameFiles(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((path) => b.includes(path));
}

function quantNameOf(set: WeightSet): string | null {
  const quant = quantOf(set);
  return quant === null ? null : spelled(quant);
}

/** Undefined where the rules refuse to choose. */
export function attempt<T>(choose: () => T): T | undefined {
  try {
    return choose();
  } catch (error) {
    if (error instanceof RbeeError) return undefined;
    throw error;
  }
}
