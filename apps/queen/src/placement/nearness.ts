import {
  type HfRef,
  type Model,
  type ModelList,
  type ModelRef,
  type PartialFile,
  parseModelRef,
  redactModelRef,
  redactRef,
  type WantedModel,
} from '@rbee/contract';
import { isEmptySelection, isSameSelection, takes } from './selection.ts';

/** The files and downloads of a hive that a request for a model may use. */
export interface Holdings {
  /** Refs of its active downloads, in canonical form. */
  readonly underWay: readonly string[];
  readonly store: Pick<ModelList, 'models' | 'partials'>;
}

/**
 * How near a hive is to having a model; null when it is known to have nothing of it. A 'likely model' has files that the
 * request takes, but only the source knows whether it takes others too.
 */
export type Nearness = 'under way' | 'model' | 'likely model' | 'partial' | null;

/** How much of a model a hive has, as far as this is known without asking the source. */
export function nearnessOf(wanted: WantedModel, { underWay, store }: Holdings): Nearness {
  if (underWay.includes(redactModelRef(wanted.ref))) return 'under way';
  const digest = digestOf(wanted);
  const held = store.models.filter((model) => !differs(digest, model)).flatMap(({ model_ref }) => readable(model_ref));
  const nearness = wanted.ref.scheme === 'hf' ? ofRepo(wanted.ref, held) : ofOther(wanted.ref, held);
  if (nearness !== null) return nearness;
  const others = underWay.flatMap(readable);
  return store.partials.some((partial) => isPartialOf(wanted.ref, digest, partial, others)) ? 'partial' : null;
}

function ofRepo(ref: HfRef, held: readonly ModelRef[]): Nearness {
  const models = held.filter((model) => isOfRevision(ref, model));
  if (models.some((model) => isSameSelection(ref, model))) return 'model';
  if (ref.files.length > 0) {
    const there = ref.files.filter((file) => models.some((model) => !isEmptySelection(model) && takes(model, file)));
    if (there.length === ref.files.length) return 'model';
    if (there.length > 0) return 'partial';
    return models.some(isEmptySelection) ? 'partial' : null;
  }
  if (models.some(({ files }) => files.some((file) => takes(ref, file)))) return 'likely model';
  // Their files are not known: some may be the same, unless both name a quantisation.
  return models.some((model) => model.files.length === 0 && (ref.quant === null || model.quant === null))
    ? 'partial'
    : null;
}

function isOfRevision(ref: HfRef, model: ModelRef): model is HfRef {
  if (model.scheme !== 'hf' || model.repo !== ref.repo) return false;
  return !isCommit(ref.revision) || ref.revision === model.revision;
}

function ofOther(ref: ModelRef, held: readonly ModelRef[]): Nearness {
  const isIt = (model: ModelRef) =>
    'url' in ref ? 'url' in model && redactRef(ref).url === model.url : redactModelRef(ref) === redactModelRef(model);
  return held.some(isIt) ? 'model' : null;
}

/** The digest of the single requested file, if the request names it. */
function digestOf({ ref, sha256 }: WantedModel): string | null {
  return 'url' in ref ? ref.sha256 : sha256;
}

/** Whether a model is known to have another digest. */
function differs(digest: string | null, { sha256 }: Model): boolean {
  return digest !== null && typeof sha256 === 'string' && sha256 !== digest;
}

/**
 * A partial from a hub is known by its repo, and by its digest if its blob is named after it; one from another source only
 * by its digest. While other files of the repo are being downloaded, the partial is taken for one of those.
 */
function isPartialOf(
  ref: ModelRef,
  digest: string | null,
  { origin, path }: PartialFile,
  underWay: readonly ModelRef[],
): boolean {
  const itsDigest = /(?:^|[/\\])([0-9a-f]{64})\.[^/\\]*$/.exec(path)?.[1] ?? null;
  if (ref.scheme !== 'hf') return digest !== null && itsDigest === digest && !origin?.startsWith('hf:');
  if (origin !== `hf:${ref.repo}`) return false;
  if (digest !== null && itsDigest !== null) return itsDigest === digest;
  return !underWay.some((other) => other.scheme === 'hf' && other.repo === ref.repo);
}

function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** A hive of another version may have refs that this queen cannot parse; they cannot match. */
function readable(text: string): ModelRef[] {
  try {
    return [parseModelRef(text)];
  } catch {
    return [];
  }
}
