import { globMatcher, parseModelRef, printModelRef, RbeeError } from '@rbee/contract';
import { ggufFiles } from '../../selection/gguf.ts';
import { withProjector } from '../../selection/projector.ts';
import { isComplete, type WeightSet, weightSets } from '../../selection/weight-set.ts';
import type { Layout } from '../layout.ts';
import { splitPlace } from '../layout.ts';
import { readSmallFile } from '../small-file.ts';
import type { SnapshotName, StoredBytes } from './read-place.ts';

/** A name of a snapshot whose bytes are in the store. */
type PresentName = SnapshotName & { readonly content: StoredBytes };

/** A model in a snapshot, whichever tool put it there. */
export interface FoundModel {
  readonly modelRef: string;
  readonly files: readonly PresentName[];
}

interface GroupedPaths {
  readonly paths: readonly string[];
  /** The ref of a set whose file names do not fit into one; null where only names tell its files. */
  readonly shortRef: (repo: string) => string | null;
}

const INDEX = /\.safetensors\.index(?:\.\w+)?\.json$/i;
/** The same weights in other formats; not part of the safetensors set. */
const OTHER_WEIGHTS = /\.(?:gguf|bin|pt|pth|ckpt|onnx|h5|msgpack|tflite|ot|mlmodel)$/i;
/** Even the largest models have an index of a few hundred KB. */
const MAX_INDEX_BYTES = 32 * 2 ** 20;

/**
 * The complete models of one snapshot: each GGUF file and each set of GGUF shards, with its projector, and the safetensors set with its
 * configuration and tokenizer, if it has every shard that its index names.
 */
export async function findModels(
  layout: Layout,
  place: string,
  names: readonly SnapshotName[],
): Promise<readonly FoundModel[]> {
  const [scheme, repo] = splitPlace(place);
  if (scheme !== 'hf') return [];
  const present = new Map(names.filter(isPresent).map((name) => [name.path, name]));
  const paths = [...present.keys()];
  const readIndex = async (path: string) => {
    const { commit, content } = present.get(path) ?? {};
    if (commit === undefined || content === undefined || content.bytes > MAX_INDEX_BYTES) return null;
    const text = await readSmallFile(layout.snapshotFile(place, commit, path), MAX_INDEX_BYTES);
    return text === null ? null : shardsOfIndex(path, text);
  };
  const groups = [...ggufGroups(paths), ...(await safetensorsGroups(paths, readIndex))];
  return groups.flatMap((group): FoundModel[] => {
    const files = group.paths.map((path) => present.get(path)).filter((file) => file !== undefined);
    const modelRef = refOf(`${repo}@${files[0]?.commit}`, group);
    return modelRef === null ? [] : [{ modelRef, files }];
  });
}

function isPresent(name: SnapshotName): name is PresentName {
  return name.content !== null;
}

/** Each set is a model, with the projector that a download of it brings; what belongs to no model is one of its own. */
function ggufGroups(paths: readonly string[]): GroupedPaths[] {
  const { models, sidecars } = ggufFiles(paths);
  const toGroup = (set: WeightSet, all: readonly string[]): GroupedPaths => ({
    paths: all,
    shortRef: (repo) => (all.length > set.paths.length ? null : refOfSet(repo, set, paths)),
  });
  const groups = models.filter(isComplete).map((set) => toGroup(set, withProjector(set, sidecars)));
  const taken = new Set(groups.flatMap((group) => group.paths));
  const others = weightSets(paths, /\.gguf$/i).filter((set) => isComplete(set) && !taken.has(set.paths[0] ?? ''));
  return [...groups, ...others.map((set) => toGroup(set, set.paths))];
}

/** A ref for exactly the files of a set; null where no glob means them and no others. */
function refOfSet(repo: string, { glob, paths }: WeightSet, all: readonly string[]): string | null {
  // `m-*-of-00002.gguf` is also `m-v2-00001-of-00002.gguf`, but `m-?????-of-00002.gguf` is not.
  const exact = glob.replace(/\*(?=-of-(\d+)\.[^.]*$)/, (_, total: string) => '?'.repeat(total.length));
  const meaning = [glob, exact].find((each) => all.filter(globMatcher(each)).join('\n') === paths.join('\n'));
  return meaning === undefined ? null : `hf:${repo}::include=${meaning}`;
}

async function safetensorsGroups(
  paths: readonly string[],
  readIndex: (path: string) => Promise<readonly string[] | null>,
): Promise<GroupedPaths[]> {
  const weights = paths.filter((path) => /\.safetensors$/i.test(path));
  if (weights.length === 0) return [];
  const pathSet = new Set(paths);
  for (const path of paths.filter((each) => INDEX.test(each))) {
    const shards = await readIndex(path);
    if (shards === null || !shards.every((shard) => pathSet.has(shard))) return [];
  }
  // Without an index, the names say how many shards there are.
  if (!weightSets(weights, /\.safetensors$/i).every(isComplete)) return [];
  const hasGguf = paths.some((path) => /\.gguf$/i.test(path));
  const all = paths.filter((path) => !OTHER_WEIGHTS.test(path));
  return [{ paths: all, shortRef: (repo) => `hf:${repo}${hasGguf ? '::exclude=*.gguf' : ''}` }];
}

/** The files that an index names, in its folder; null if it is not an index. */
function shardsOfIndex(indexPath: string, text: string): readonly string[] | null {
  try {
    const { weight_map: map } = JSON.parse(text) as { weight_map?: unknown };
    if (typeof map !== 'object' || map === null) return null;
    const folder = indexPath.slice(0, indexPath.lastIndexOf('/') + 1);
    return [...new Set(Object.values(map).map((name) => `${folder}${String(name)}`))];
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}

/** The ref for these files: by name if a ref is long enough for that; null if no ref can name them. */
function refOf(pinnedRepo: string, { paths, shortRef }: GroupedPaths): string | null {
  const isSingle = paths.length === 1;
  const byName = `hf:${pinnedRepo}${paths.map((path) => `::file=${path}`).join('')}`;
  const short = isSingle ? null : shortRef(pinnedRepo);
  return (short === null ? null : canonical(short)) ?? canonical(byName);
}

function canonical(text: string): string | null {
  try {
    return printModelRef(parseModelRef(text));
  } catch (error) {
    if (error instanceof RbeeError) return null;
    throw error;
  }
}
