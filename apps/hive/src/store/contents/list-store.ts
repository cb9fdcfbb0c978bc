import { join } from 'node:path';
import type { ModelId, ModelList, PartialFile, StoreProblem } from '@rbee/contract';
import { errnoOf, newestFirst, RbeeError, toTimestamp } from '@rbee/contract';
import { inspectPartial } from '@rbee/transfer';
import { type Layout, splitPlace, UNFINISHED_NAMES } from '../layout.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import { type CatalogEntry, findEntry, readCatalog } from './catalog.ts';
import { listPlaces } from './list-places.ts';
import { type PlaceState, readPlace } from './read-place.ts';
import { modelsOfPlace, problemOf, type StoredModel, toModel } from './stored-model.ts';

/** Places that are read concurrently; each reads several files concurrently itself. */
const PLACE_CONCURRENCY = 8;

/** Everything in the store: complete models newest first, partials, and problems. */
export async function listStore(layout: Layout): Promise<ModelList> {
  const { models, states, problems } = await readStore(layout);
  const complete = models.filter(({ missing }) => missing.length === 0);
  const broken = models.filter(({ missing }) => missing.length > 0);
  const partials = (await mapConcurrent(states, (state) => partialsOf(layout, state), PLACE_CONCURRENCY)).flat();
  return {
    models: complete.map((model) => toModel(layout, model)).sort(newestFirst),
    partials: partials.sort(newestFirst),
    problems: [...problems, ...broken.map((model) => problemOf(layout, model))].sort((a, b) =>
      a.path < b.path ? -1 : 1,
    ),
  };
}

export interface StoreContent {
  /** Complete ones, and incomplete ones of the catalog. */
  readonly models: readonly StoredModel[];
  readonly states: readonly PlaceState[];
  readonly problems: readonly StoreProblem[];
}

export async function readStore(layout: Layout): Promise<StoreContent> {
  const states: PlaceState[] = [];
  const problems: StoreProblem[] = [];
  const models = await mapConcurrent(
    (await listPlaces(layout)).sort(),
    async (place) => {
      try {
        const read = await readOnePlace(layout, place);
        states.push(read.state);
        problems.push(...read.problems);
        return read.models;
      } catch (error) {
        // A folder that cannot be read must not hide the others.
        const code = errnoOf(error);
        if (code === null) throw error;
        problems.push({ path: layout.placeFolder(place), message: `cannot read the folder (${code})` });
        return [];
      }
    },
    PLACE_CONCURRENCY,
  );
  return { models: models.flat(), states, problems };
}

/** One place, with its entries in the catalog. */
export async function readOnePlace(layout: Layout, place: string): Promise<PlaceModels> {
  const { entries, problems } = await readCatalog(layout, place);
  const state = await readPlace(layout, place);
  return { state, entries, problems, models: await modelsOfPlace(layout, state, entries) };
}

export interface PlaceModels {
  readonly state: PlaceState;
  readonly entries: readonly CatalogEntry[];
  /** Entries that cannot be read. */
  readonly problems: readonly StoreProblem[];
  readonly models: readonly StoredModel[];
}

/** A model by its id, complete or not. @throws RbeeError MODEL_NOT_FOUND */
export async function findModel(layout: Layout, id: ModelId): Promise<StoredModel> {
  // A model of the catalog needs no search of the other places.
  const entry = await findEntry(layout, id);
  const models = entry
    ? await modelsOfPlace(layout, await readPlace(layout, entry.place), [entry])
    : (await readStore(layout)).models;
  const model = models.find((each) => each.id === id);
  if (model) return model;
  throw new RbeeError('MODEL_NOT_FOUND', `this hive has no model ${id}`, { hint: 'list them with "model list"' });
}

async function partialsOf(layout: Layout, { place, unfinished }: PlaceState): Promise<PartialFile[]> {
  const { partial, journal, damaged } = UNFINISHED_NAMES;
  const files = unfinished.filter(({ name }) => !journal.test(name) && !damaged.test(name));
  return mapConcurrent(files, async ({ name, bytes, modifiedAtMs }) => {
    const path = join(layout.blobsFolder(place), name);
    // A partial has gaps, so its size says little; its journals say which bytes count.
    const inspected = partial.test(name) ? await inspectPartial(path) : null;
    return {
      path,
      origin: originOf(place, inspected?.url ?? null),
      bytes: inspected?.bytes ?? bytes,
      total: inspected?.total ?? null,
      modified_at: toTimestamp(modifiedAtMs),
    };
  });
}

function originOf(place: string, url: string | null): string | null {
  const [scheme] = splitPlace(place);
  if (scheme === 'hf') return place;
  return url === null ? null : new URL(url).origin;
}
