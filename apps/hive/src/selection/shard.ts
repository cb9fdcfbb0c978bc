/** One file of a set of shards, by its name. */
export interface Shard {
  /** The path up to the shard number. */
  readonly stem: string;
  readonly number: number;
  readonly total: number;
  /** A glob for the paths of the whole set: `model-*-of-00003.gguf`. */
  readonly glob: string;
}

// "-00001-of-00003" (GGUF, transformers), "_00001-of-00072" and "-1-of-61" (some repos).
const SHARD = /^(.*)([-_])(\d{1,6})-of-(\d{1,6})(\.[^./]+)$/;

/** The one grammar of shard names, for what is downloaded, listed and read; null where a path is not a shard's. */
export function shardOf(path: string): Shard | null {
  const [, stem = '', separator = '', number = '', total = '', extension = ''] = SHARD.exec(path) ?? [];
  if (total === '' || Number(number) > Number(total)) return null;
  return { stem, number: Number(number), total: Number(total), glob: `${stem}${separator}*-of-${total}${extension}` };
}
