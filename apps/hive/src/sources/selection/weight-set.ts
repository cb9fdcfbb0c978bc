import { RbeeError } from '@rbee/contract';
import { listed } from './listed.ts';

/** A file of weights, or the shards that make one. */
export interface WeightSet {
  /** Empty for the root, else with a "/" at its end. */
  readonly folder: string;
  /** The name of the file without its shard number and extension. */
  readonly stem: string;
  readonly isSharded: boolean;
  /** How many files the set has when it is complete. */
  readonly total: number;
  readonly paths: string[];
}

// "-00001-of-00003" (GGUF, transformers), "_00001-of-00072" and "-1-of-61" (some repos).
const SHARD = /^(.*)[-_](\d{1,6})-of-(\d{1,6})$/;

export function weightSets(paths: readonly string[], extension: RegExp): WeightSet[] {
  const sets = new Map<string, WeightSet>();
  for (const path of paths) {
    if (!extension.test(path)) continue;
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const name = path.slice(folder.length).replace(extension, '');
    const [, stem = '', number = '', total = ''] = SHARD.exec(name) ?? [];
    const isSharded = total !== '' && Number(number) <= Number(total);
    const key = isSharded ? `${folder}${stem}/${total}` : path;
    const set = sets.get(key) ?? {
      folder,
      stem: isSharded ? stem : name,
      isSharded,
      total: isSharded ? Number(total) : 1,
      paths: [],
    };
    set.paths.push(path);
    sets.set(key, set);
  }
  return [...sets.values()];
}

export function isComplete(set: WeightSet): boolean {
  return set.paths.length === set.total;
}

export function incomplete(set: WeightSet): RbeeError {
  const message = `the set ${listed([`${set.folder}${set.stem}`])} is incomplete`;
  const hint = `the repo has ${set.paths.length} of its ${set.total} shards`;
  return new RbeeError('MODEL_NOT_FOUND', message, { hint });
}
