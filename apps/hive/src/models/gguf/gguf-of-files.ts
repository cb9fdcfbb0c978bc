import type { Gguf } from '@rbee/contract';
import { narrate } from '@rbee/jobs';
import { type RangeReader, readGguf } from './read-gguf.ts';

const SHARD = /^(.*)-\d{5}-of-(\d{5})\.gguf$/i;
/** The other half of a model that sees: it says nothing of the language model. */
const PROJECTOR = /(?:^|[/._-])mmproj/i;
/** Shards whose headers are read for the number of parameters; of larger sets it stays unknown. */
const MAX_SHARDS = 32;

export interface GgufOfFilesOptions {
  /** For one file. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * What the GGUF among a model's files says of itself; null where there is none, or none that can be read, of which a
 * warning is narrated.
 */
export async function ggufOfFiles(
  paths: readonly string[],
  readerOf: (path: string) => Promise<RangeReader>,
  options: GgufOfFilesOptions,
): Promise<Gguf | null> {
  const ggufs = paths.filter((path) => /\.gguf$/i.test(path)).sort();
  const first = ggufs.find((path) => !PROJECTOR.test(path)) ?? ggufs[0];
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
    // A bug has no code; what the network or the disk refuses has one.
    if (!(error instanceof Error && 'code' in error)) throw error;
    narrate('gguf_unreadable', `⚠️ ${first}: ${error.message}`, 'warn');
    return null;
  }
}

function shardsOf(first: string, ggufs: readonly string[]): readonly string[] {
  const [, stem, total] = SHARD.exec(first) ?? [];
  if (stem === undefined) return [first];
  return ggufs.filter((path) => {
    const match = SHARD.exec(path);
    return match?.[1] === stem && match[2] === total;
  });
}
