import type { Stats } from 'node:fs';
import type { Layout } from '../layout.ts';
import { readCatalog } from './catalog.ts';

/** Below this, hashing a blob is faster than reading the catalog. */
const MIN_BYTES = 16 * 2 ** 20;

/**
 * The sha256 of a blob as the catalog has it from its download, without reading the blob. Null if that cannot be trusted:
 * no entry has it, or the file has another size or was written since.
 */
export async function knownDigest(
  layout: Layout,
  place: string,
  name: string,
  { size, mtimeMs }: Pick<Stats, 'size' | 'mtimeMs'>,
): Promise<string | null> {
  if (size < MIN_BYTES) return null;
  const { entries } = await readCatalog(layout, place);
  for (const entry of entries) {
    if (mtimeMs > Date.parse(entry.downloaded_at)) continue;
    const file = entry.files.find(({ blob, bytes }) => blob === name && bytes === size);
    if (file !== undefined && file.sha256 !== null) return file.sha256;
  }
  return null;
}
