import { formatBytes, globMatcher, type HfRef, onlyProjectors, RbeeError } from '@rbee/contract';
import { ggufFiles, ggufOfQuant, preferredGguf } from './gguf.ts';
import { listed, shortened } from './listed.ts';
import { safetensorsModel } from './safetensors.ts';

/** One file of a repo as the hub's tree lists it. */
export interface TreeFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** What a ref says about the files of its repo. */
export type Wish = Pick<HfRef, 'files' | 'include' | 'exclude' | 'quant'>;

/** A repo up to this size without GGUF and safetensors is downloaded whole: a wrong guess costs little. */
const WHOLE_REPO_BYTES = 1_000_000_000;
const MAX_NEAR_MISSES = 5;
const NEAR = 0.5;

/**
 * The files of a repo that a ref means. Pure: the result does not depend on the order of the tree, holds paths of the
 * tree only, each once, and is never empty.
 *
 * - Named files: exactly those, in the order of the ref.
 * - Globs: every file that matches an include (every file where there is none) and no exclude. Excludes that only leave
 *   out projectors are not a choice: the rules below hold for the other files.
 * - A quantisation: the GGUF of that quantisation; all shards of a set count as one. `Q4_K_XL` is also `UD-Q4_K_XL`, if
 *   the plain one does not exist.
 * - Nothing, in a repo with GGUF files: the first of Q4_K_M, Q5_K_M, Q4_0, Q5_0, Q8_0, F16 that exists, else the one
 *   whose bits per weight are nearest to Q4_K_M.
 * - Drafters, importance matrices and projectors (mmproj) are never the model. A model chosen by one of these two rules
 *   brings its projector, unless an exclude leaves it out.
 * - Nothing, in a repo with a safetensors set: that set with its configuration, tokenizer and model code, without other
 *   formats of the same weights. The components of a `diffusers` pipeline and the modules of a `sentence-transformers`
 *   model are in folders and belong to it.
 * - Nothing, in any other repo: the whole repo up to 1 GB, as `hf download` does; a larger one needs names or globs.
 *
 * An ambiguous choice is refused: two models of the same quantisation, a set with missing shards.
 * @throws RbeeError MODEL_NOT_FOUND, with a hint that lists the choices
 */
export function selectFiles(tree: readonly TreeFile[], wish: Wish): readonly string[] {
  const files = [...new Map(tree.map((file) => [file.path, file])).values()].sort(byPath);
  const all = files.map((file) => file.path);
  if (all.length === 0) throw new RbeeError('MODEL_NOT_FOUND', 'the repo has no files');
  if (wish.files.length > 0) return namedFiles(all, wish.files);
  const matching = matchingFiles(all, wish);
  if (!isChosenByRule(wish)) return matching;
  const ggufs = ggufFiles(matching);
  if (wish.quant !== null) return ggufOfQuant(ggufs, wish.quant);
  if (ggufs.models.length > 0) return preferredGguf(ggufs);
  const safetensors = safetensorsModel(matching);
  if (safetensors !== null) return safetensors;
  if (ggufs.sidecars.length > 0) return preferredGguf(ggufs);
  return wholeRepo(files.filter(({ path }) => matching.includes(path)));
}

/** Whether neither names nor globs say which files a ref means. */
export function isChosenByRule({ files, include, exclude }: Wish): boolean {
  return files.length + include.length === 0 && onlyProjectors(exclude);
}

function namedFiles(paths: readonly string[], names: readonly string[]): readonly string[] {
  const there = new Set(paths);
  const missing = names.filter((name) => !there.has(name));
  const [first] = missing;
  if (first === undefined) return names;
  const near = nearMisses(paths, first);
  const hint = near.length > 0 ? `did you mean ${listed(near)}?` : `the repo has ${listed(paths)}`;
  throw new RbeeError('MODEL_NOT_FOUND', `the repo has no file ${listed(missing)}`, { hint });
}

/** The paths most similar to a name, by shared letter pairs (Dice's coefficient). */
function nearMisses(paths: readonly string[], name: string): string[] {
  const wanted = letterPairs(name);
  const scored = paths.map((path) => {
    const pairs = letterPairs(path);
    const shared = [...pairs].filter((pair) => wanted.has(pair)).length;
    // The name of a folder is near to everything in it.
    return { path, score: path.startsWith(`${name}/`) ? 1 : (2 * shared) / (wanted.size + pairs.size) };
  });
  const near = scored.filter(({ score }) => score >= NEAR).sort((a, b) => b.score - a.score);
  return near.slice(0, MAX_NEAR_MISSES).map(({ path }) => path);
}

function letterPairs(text: string): Set<string> {
  const letters = text.toLowerCase();
  return new Set(
    Array.from({ length: Math.max(1, letters.length - 1) }, (_, index) => letters.slice(index, index + 2)),
  );
}

function matchingFiles(paths: readonly string[], wish: Wish): string[] {
  const includes = wish.include.map(globMatcher);
  const excludes = wish.exclude.map(globMatcher);
  const chosen = paths.filter((path) => {
    const included = includes.length === 0 || includes.some((matches) => matches(path));
    return included && !excludes.some((matches) => matches(path));
  });
  if (chosen.length > 0) return chosen;
  const hint = `"*" also matches "/", and matching is case-sensitive; the repo has ${listed(paths)}`;
  throw new RbeeError('MODEL_NOT_FOUND', 'the globs match no file of the repo', { hint });
}

function wholeRepo(files: readonly TreeFile[]): string[] {
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  if (bytes <= WHOLE_REPO_BYTES) return files.map((file) => file.path);
  const largest = files.toSorted((a, b) => b.size - a.size || byPath(a, b));
  const sizes = largest.map(({ path, size }) => `${shortened(path)} (${formatBytes(size)})`);
  const message = `the repo has neither a GGUF nor a safetensors model, and is ${formatBytes(bytes)} in total`;
  const hint = `name files with ::file= or ::include= (::include=* for all): ${listed(sizes)}`;
  throw new RbeeError('MODEL_NOT_FOUND', message, { hint });
}

function byPath(a: TreeFile, b: TreeFile): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
