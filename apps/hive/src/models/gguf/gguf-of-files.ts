import { type Gguf, isProjector } from '@rbee/contract';
import { narrate } from '@rbee/jobs';
import { weightSets } from '../../selection/weight-set.ts';
import { type RangeReader, readGguf } from './read-gguf.ts';

/** Up to this many shards are read for the number of parameters; in larger sets it stays unknown. */
const MAX_SHARDS = 32;

export interface GgufOfFilesOptions {
  /** For one file. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * The metadata of the GGUF among a model's files; null where there is none. One that cannot be read is null too, with a
 * narrated warning.
 */
export async function ggufOfFiles(
  paths: readonly string[],
  readerOf: (path: string) => Promise<RangeReader>,
  options: GgufOfFilesOptions,
): Promise<Gguf | null> {
  const ggufs = paths.filter((path) => /\.gguf$/i.test(path)).sort();
  // The header of a projector says nothing of the language model.
  const first = ggufs.find((path) => !isProjector(path)) ?? ggufs[0];
  if (first === undefined) return null;
  const read = async (name: string) => readGguf(await readerOf(name), { name, ...options });
  try {
    const gguf = await read(first);
    const shards = shardsOf(first, ggufs);
    if (shards.length === 1) return gguf;
    // Each shard's header names the tensors of that shard alone.
    if (shards.length > MAX_SHARDS) return { ...gguf, parameters: null };
    let parameters = gguf.parameters;
    for (const shard of shards.slice(1)) {
      const more = (await read(shard)).parameters;
      parameters = parameters === null || more === null ? null : parameters + more;
    }
    return { ...gguf, parameters };
  } catch (error) {
    options.signal.throwIfAborted();
    // Errors of the network and the disk have a code; a bug has none.
    if (!(error instanceof Error && 'code' in error)) throw error;
    narrate('gguf_unreadable', `⚠️ ${first}: ${error.message}`, 'warn');
    return null;
  }
}

function shardsOf(first: string, ggufs: readonly string[]): readonly string[] {
  return weightSets(ggufs, /\.gguf$/i).find(({ paths }) => paths.includes(first))?.paths ?? [first];
}
