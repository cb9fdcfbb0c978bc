import { type ModelList, type ModelRef, parseModelRef, shortNameOf, showModelRef, withoutSecret } from '@rbee/contract';

/** What a hive has that a request for a model may use. */
export interface Holdings {
  /** Refs of its downloads that have not ended, in their canonical form. */
  readonly underWay: readonly string[];
  readonly store: Pick<ModelList, 'models' | 'partials'>;
}

/** How near a hive is to having a model; null where nothing is known to be there. */
export type Nearness = 'under way' | 'model' | 'partial' | null;

/** What a hive has of a model, as far as it can be told without asking the source. */
export function nearnessOf(ref: ModelRef, { underWay, store }: Holdings): Nearness {
  if (underWay.includes(showModelRef(ref))) return 'under way';
  const held = store.models.flatMap(({ model_ref }) => readable(model_ref)).filter((model) => isOf(ref, model));
  if (held.length > 0 && hasFiles(ref, held)) return 'model';
  // Part of a set of files, or of one file.
  if (held.length > 0 || store.partials.some(({ origin, path }) => isPartialOf(ref, origin, path))) return 'partial';
  return null;
}

/** Whether a model of a store may be what the ref stands for, or a part of it. */
function isOf(ref: ModelRef, model: ModelRef): boolean {
  if (ref.scheme === 'hf' && model.scheme === 'hf') {
    const isRevision = !isCommit(ref.revision) || ref.revision === model.revision;
    return (
      ref.repo === model.repo && isRevision && (ref.files.length === 0 || overlaps(ref, model)) && isQuant(ref, model)
    );
  }
  if ('url' in ref && 'url' in model) return withoutSecret(ref).url === model.url;
  return showModelRef(ref) === showModelRef(model);
}

type HfRef = Extract<ModelRef, { scheme: 'hf' }>;

function overlaps(ref: HfRef, model: HfRef): boolean {
  return model.files.some((file) => ref.files.includes(file));
}

function isQuant({ quant }: HfRef, { files }: HfRef): boolean {
  return quant === null || files.some((file) => file.toUpperCase().includes(quant));
}

/** Every file that the ref names is there. One that names none is taken for whole: only its source could tell. */
function hasFiles(ref: ModelRef, held: readonly ModelRef[]): boolean {
  if (ref.scheme !== 'hf') return true;
  const there = new Set(held.flatMap((model) => (model.scheme === 'hf' ? model.files : [])));
  return ref.files.every((file) => there.has(file));
}

// A partial of a hub's repo has the name of its digest, so its repo is all that is known of it.
function isPartialOf(ref: ModelRef, origin: string | null, path: string): boolean {
  if (origin === null) return false;
  switch (ref.scheme) {
    case 'hf':
      return origin === ref.repo;
    case 'https':
    case 'http':
      return origin === new URL(ref.url).host && path.includes(shortNameOf(ref));
    case 'ollama':
      return showModelRef(ref).includes(origin) && path.includes(ref.name);
    case 'file':
      return false;
  }
}

function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** A hive of another version may have refs that this queen cannot read; they are nothing that was asked for. */
function readable(text: string): ModelRef[] {
  try {
    return [parseModelRef(text)];
  } catch {
    return [];
  }
}
