import { isProjector, type Model, type ModelId, modelIdOf, type StoreProblem, toTimestamp } from '@rbee/contract';
import { type Layout, SHA256 } from '../layout.ts';
import type { CatalogEntry } from './catalog.ts';
import { findModels } from './find-models.ts';
import type { PlaceState, SnapshotName } from './read-place.ts';

/** One file of a stored model. */
export interface ModelFile {
  /** Path in the repo. */
  readonly path: string;
  /** Null for a file whose bytes are in the snapshot itself. */
  readonly blobName: string | null;
  readonly bytes: number;
  readonly sha256: string | null;
}

/** A model in the store, from the catalog or put there by another tool. */
export interface StoredModel {
  readonly id: ModelId;
  /** The pinned ref. */
  readonly modelRef: string;
  readonly place: string;
  readonly commit: string;
  readonly files: readonly ModelFile[];
  readonly modifiedAtMs: number;
  /** Whether the catalog has an entry for it. */
  readonly isCatalogued: boolean;
  /** Paths of missing or incomplete files; empty for a listed model. */
  readonly missing: readonly string[];
}

/** The models of one place, complete or not: first the catalog's, then all that it does not cover. */
export async function modelsOfPlace(
  layout: Layout,
  state: PlaceState,
  entries: readonly CatalogEntry[],
): Promise<StoredModel[]> {
  const catalogued = entries.map((entry) => fromEntry(state, entry));
  const known = new Set(catalogued.map(({ id }) => id));
  const found: StoredModel[] = [];
  for (const [commit, names] of state.snapshots) {
    // A model that lacks a file is not listed, so it covers nothing: its other files may be a model of their own.
    const complete = catalogued.filter((model) => model.commit === commit && model.missing.length === 0);
    const covered = new Set(complete.flatMap(({ files }) => files.map(({ path }) => path)));
    for (const { modelRef, files } of await findModels(layout, state.place, names)) {
      const id = modelIdOf(modelRef);
      // A model that was downloaded without its projector is no other one where that is there.
      const own = files.length > 1 ? files.filter(({ path }) => !isProjector(path)) : files;
      if (known.has(id) || own.every(({ path }) => covered.has(path))) continue;
      found.push({
        ...{ id, modelRef, place: state.place, commit, isCatalogued: false, missing: [] },
        files: files.map(({ path, blobName, content }) => ({
          path,
          blobName,
          bytes: content.bytes,
          sha256: blobName !== null && SHA256.test(blobName) ? blobName : null,
        })),
        modifiedAtMs: Math.max(...files.map(({ content }) => content.modifiedAtMs)),
      });
    }
  }
  return [...catalogued, ...found];
}

/** The model as the API returns it. */
export function toModel(layout: Layout, model: StoredModel): Model {
  const { id, modelRef, place, commit, files, modifiedAtMs } = model;
  const [first] = files;
  // A registry's model is its first file; what else there is lies beside it.
  const isOneFile = files.length === 1 || place.startsWith('ollama:');
  return {
    model_id: id,
    model_ref: modelRef,
    bytes: bytesOf(files),
    files: files.length,
    sha256: isOneFile ? (first?.sha256 ?? null) : null,
    path:
      first !== undefined && isOneFile
        ? layout.snapshotFile(place, commit, first.path)
        : layout.snapshotFolder(place, commit),
    modified_at: toTimestamp(modifiedAtMs),
  };
}

/** The problem that is listed for a model of the catalog that lacks files. */
export function problemOf(layout: Layout, { id, modelRef, place, missing, files }: StoredModel): StoreProblem {
  const more = missing.length === 1 ? '' : ` and ${missing.length - 1} more`;
  const what = `${modelRef} (${id}) is incomplete: ${missing[0]}${more} of ${files.length} files missing or too short`;
  return {
    path: layout.catalogFile(place, id),
    message: `${what}; download it again or remove it`,
    model_id: id,
    model_ref: modelRef,
  };
}

export function bytesOf(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

function fromEntry(state: PlaceState, entry: CatalogEntry): StoredModel {
  const names = new Map((state.snapshots.get(entry.commit) ?? []).map((name) => [name.path, name]));
  const files = entry.files.map(({ path, blob, bytes, sha256 }) => ({ path, blobName: blob, bytes, sha256 }));
  return {
    id: entry.model_id,
    modelRef: entry.model_ref,
    place: entry.place,
    commit: entry.commit,
    files,
    modifiedAtMs: Date.parse(entry.downloaded_at),
    isCatalogued: true,
    missing: files.filter((file) => !isThere(names.get(file.path), file)).map(({ path }) => path),
  };
}

/** For a file that is not a blob of this place only the size is known; a verify checks its content. */
function isThere(name: SnapshotName | undefined, { blobName, bytes }: ModelFile): boolean {
  const isSame = name?.blobName === null || name?.blobName === blobName;
  return isSame && name?.content?.bytes === bytes;
}
