import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ifExists } from '../disk.ts';
import type { Layout } from '../layout.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import { isFolder } from './reached.ts';

/**
 * The places that have a folder in the store. A link to a folder counts, as a way to keep a repo on another disk. Folders
 * with names that no place can have are ignored.
 */
export async function listPlaces(layout: Layout): Promise<string[]> {
  const { modelsDir } = layout;
  const entries = await ifExists(readdir(modelsDir, { withFileTypes: true }), []);
  const places = await mapConcurrent(entries, async (entry) => {
    const place = layout.placeOfFolder(entry.name);
    if (place === null) return [];
    const isThere = entry.isDirectory() || (entry.isSymbolicLink() && (await isFolder(join(modelsDir, entry.name))));
    return isThere ? [place] : [];
  });
  return places.flat();
}
