import { RbeeError } from '@rbee/contract';
import { listed } from './listed.ts';
import { type Quant, quantIn } from './quant.ts';
import { shardOf } from './shard.ts';

/** A file of weights, or the shards that make one. */
export interface WeightSet {
  /** Empty for the root, else with a "/" at its end. */
  readonly folder: string;
  /** The name of the file without shard number and extension. */
  readonly stem: string;
  readonly isSharded: boolean;
  /** The number of files of a complete set. */
  readonly total: number;
  /** A glob for the paths of the set; the path itself where it is one file. */
  readonly glob: string;
  readonly paths: string[];
}

/** Groups the paths with an extension into sets. */
export function weightSets(paths: readonly string[], extension: RegExp): WeightSet[] {
  const sets = new Map<string, WeightSet>();
  for (const path of paths) {
    if (!extension.test(path)) continue;
    const shard = shardOf(path);
    const glob = shard?.glob ?? path;
    // No path begins with a slash: a single file never joins a set of shards.
    const key = shard === null ? `/${path}` : glob;
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const stem = (shard?.stem ?? path.replace(extension, '')).slice(folder.length);
    const set = sets.get(key) ?? {
      folder,
      stem,
      isSharded: shard !== null,
      total: shard?.total ?? 1,
      glob,
      paths: [],
    };
    set.paths.push(path);
    sets.set(key, set);
  }
  return [...sets.values()];
}

/** Whether all files of a set exist. */
export function isComplete(set: WeightSet): boolean {
  return set.paths.length === set.total;
}

/** The error for a set with missing shards. */
export function incomplete(set: WeightSet): RbeeError {
  const message = `the set ${listed([`${set.folder}${set.stem}`])} is incomplete`;
  const hint = `the repo has ${set.paths.length} of its ${set.total} shards`;
  return new RbeeError('MODEL_NOT_FOUND', message, { hint });
}

/** The quantisation in a set's name, else in its folder's; null where neither has one. */
export function quantOf(set: WeightSet): Quant | null {
  const inName = quantIn(set.stem);
  const inFolder = quantIn(set.folder);
  // The folder may say more: `UD-Q4_K_XL/model-Q4_K_XL.gguf` is not the plain quantisation.
  const saysMore = inName?.prefix === '' && inFolder?.tag === inName.tag;
  return saysMore ? inFolder : (inName ?? inFolder);
}
