import { formatBytes, globMatcher, type HfRef, RbeeError } from '@rbee/contract';
import { ggufModels, ggufOfQuant, preferredGguf } from './gguf.ts';
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

/** Up to this size a repo that has neither GGUF nor safetensors is taken whole: a wrong guess costs little. */
const WHOLE_REPO_BYTES = 1_000_000_000;
const MAX_NEAR_MISSES = 5;
const NEAR = 0.5;

/**
 * Which files of a repo a ref means. A pure choice: the answer is the same for every order of the tree, holds paths of
 * the tree only, each once, and is never empty.
 *
 * - Named files: exactly those, in the order of the ref.
 * - Globs: every file that an include matches (every file where there is none) and no exclude does.
 * - A quantisation: the GGUF of that quantisation; all shards of a set count as one.
 * - Nothing, where the repo has GGUF files: the first of Q4_K_M, Q5_K_M, Q4_0, Q5_0, Q8_0, F16 that is there; failing
 *   these, the only GGUF there is.
 * - Nothing, where it has a safetensors set: that set with its configuration, tokenizer and model code, and without
 *   other formats of the same weights. The components of a `diffusers` pipeline and the modules of a
 *   `sentence-transformers` model lie in folders and are part of it.
 * - Nothing, where it has neither: the whole repo up to 1 GB, as `hf download` would take it; a larger one has to be
 *   asked for by name or by glob.
 *
 * What would have to be guessed is refused: two models of the same quantisation, a set with missing shards.
 * @throws RbeeError MODEL_NOT_FOUND, with a hint that lists the choices
 */
export function selectFiles(tree: readonly TreeFile[], wish: Wish): readonly string[] {
  const files = [...new Map(tree.map((file) => [file.path, file])).values()].sort(byPath);
  const paths = files.map((file) => file.path);
  if (paths.length === 0) throw new RbeeError('MODEL_NOT_FOUND', 'the repo has no files');
  if (wish.files.length > 0) return namedFiles(paths, wish.files);
  if (wish.include.length + wish.exclude.length > 0) return matchingFiles(paths, wish);
  const ggufs = ggufModels(paths);
  if (wish.quant !== null) return ggufOfQuant(ggufs, wish.quant);
  if (ggufs.length > 0) return preferredGguf(ggufs);
  return safetensorsModel(paths) ?? wholeRepo(files);
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

/** The paths most like a name, by the pairs of letters that they share (Dice's coefficient). */
function nearMisses(paths: readonly string[], name: string): string[] {
  const wanted = letterPairs(name);
  const scored = paths.map((path) => {
    const pairs = letterPairs(path);
    const shared = [...pairs].filter((pair) => wanted.has(pair)).length;
    // A folder's name stands for what is in it.
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
  const hint = `"*" also matches "/", and case matters; the repo has ${listed(paths)}`;
  throw new RbeeError('MODEL_NOT_FOUND', 'no file of the repo matches the globs', { hint });
}

function wholeRepo(files: readonly TreeFile[]): string[] {
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  if (bytes <= WHOLE_REPO_BYTES) return files.map((file) => file.path);
  const largest = files.toSorted((a, b) => b.size - a.size || byPath(a, b));
  const sizes = largest.map(({ path, size }) => `${shortened(path)} (${formatBytes(size)})`);
  const message = `the repo has neither GGUF nor one safetensors model, and ${formatBytes(bytes)} in all`;
  const hint = `name files with ::file= or ::include= (::include=* takes all of it): ${listed(sizes)}`;
  throw new RbeeError('MODEL_NOT_FOUND', message, { hint });
}

function byPath(a: TreeFile, b: TreeFile): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
