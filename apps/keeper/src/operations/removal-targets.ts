import {
  formatBytes,
  type ModelId,
  modelIdSchema,
  parseModelRef,
  printModelRef,
  RbeeError,
  redactModelRef,
} from '@rbee/contract';
import { looksLikeId } from '../daemon-client/resolve-id.ts';
import { matchingModels } from '../daemon-client/resolve-model.ts';
import { usageError } from '../errors/keeper-error.ts';
import type { ListedPartial, ModelListing } from '../results.ts';

/** Something that `model remove` removes from one hive. */
export type RemovalTarget =
  | { readonly kind: 'model'; readonly hive_id: string; readonly model_id: ModelId }
  | { readonly kind: 'partials'; readonly hive_id: string; readonly origin: string; readonly paths: readonly string[] };

export interface WantedHives {
  /** Only this hive. */
  readonly hive?: string | undefined;
  /** Every hive that has it. */
  readonly allHives?: boolean;
}

/** @throws RbeeError MODEL_REF_INVALID for a text that is neither an id nor a name; KeeperError USAGE for a download's id */
export function assertNames(texts: readonly string[]): void {
  for (const text of texts) {
    if (!looksLikeId(text)) parseModelRef(text);
    else if (/^dl-/i.test(text)) {
      throw usageError(
        `"${text}" is the id of a download, not of a model`,
        `to delete what it has left on the disk, run "rbee-keeper download cancel ${text} --discard"`,
      );
    }
  }
}

/**
 * What a text names in the stores of the hives: a model, complete or not, by its id or name, or else the partial files of
 * a repo that has no model.
 * @throws KeeperError USAGE if it matches several models, or several hives have it and none is named; RbeeError
 * MODEL_REF_INVALID, MODEL_NOT_FOUND
 */
export function findTargets(listing: ModelListing, text: string, wanted: WantedHives): RemovalTarget[] {
  const isOnHive = ({ hive_id: id }: { readonly hive_id: string }) => wanted.hive === undefined || id === wanted.hive;
  const models = [...listing.models, ...brokenModels(listing)].filter(isOnHive);
  const found = matchingModels(models, text);
  const targets =
    found.length > 0
      ? found.map(({ hive_id, model_id }) => ({
          kind: 'model' as const,
          hive_id,
          model_id: modelIdSchema.parse(model_id),
        }))
      : partialsOf(listing.partials.filter(isOnHive), text);
  if (targets.length === 0) throw notFound(text, wanted.hive, listing.partials.filter(isOnHive));
  const hives = targets.map(({ hive_id }) => hive_id);
  if (hives.length > 1 && wanted.hive === undefined && !wanted.allHives) {
    throw usageError(
      `several hives have ${text}: ${hives.join(', ')}`,
      'choose one with --hive, or all with --all-hives',
    );
  }
  return targets;
}

/** Models of the problems that are listed: their files are missing, but there is something to remove. */
function brokenModels({ problems }: ModelListing) {
  return problems.flatMap(({ hive_id, model_id, model_ref }) =>
    model_id === undefined || model_ref === undefined ? [] : [{ hive_id, model_id, model_ref }],
  );
}

/** The partial files of a repo, by hive. A ref to a file names none: which file a partial is of is not known. */
function partialsOf(partials: readonly ListedPartial[], text: string): RemovalTarget[] {
  const ofOrigin = partials.filter(({ origin }) => origin !== null && isOrigin(text, origin));
  const byHive = Map.groupBy(ofOrigin, ({ hive_id }) => hive_id);
  return [...byHive].map(([hive_id, entries]) => ({
    kind: 'partials' as const,
    hive_id,
    origin: entries[0]?.origin ?? text,
    paths: entries.map(({ path }) => path),
  }));
}

function isOrigin(text: string, origin: string): boolean {
  if (text === origin) return true;
  try {
    return printModelRef(parseModelRef(text)) === printModelRef(parseModelRef(origin));
  } catch (error) {
    if (!(error instanceof RbeeError)) throw error;
    return false;
  }
}

function notFound(text: string, hive: string | undefined, partials: readonly ListedPartial[]): RbeeError {
  const where = hive === undefined ? 'no hive has' : `${hive} does not have`;
  const repo = looksLikeId(text) ? null : repoIn(text);
  const ofRepo = partials.filter(({ origin }) => repo !== null && origin !== null && repoIn(origin) === repo);
  const bytes = ofRepo.reduce((sum, partial) => sum + partial.bytes, 0);
  const hint =
    ofRepo.length === 0
      ? 'run "rbee-keeper model list" to see models and partial downloads'
      : `there are partial downloads of ${repo} (${formatBytes(bytes)}): to remove them, run "rbee-keeper rm ${repo}"`;
  return new RbeeError('MODEL_NOT_FOUND', `${where} the model ${nameOf(text)}`, { hint });
}

/** The repo of a hub that a name means; null for any other name. */
function repoIn(text: string): string | null {
  try {
    const ref = parseModelRef(text);
    return ref.scheme === 'hf' ? ref.repo : null;
  } catch (error) {
    if (!(error instanceof RbeeError)) throw error;
    return null;
  }
}

/** URLs may have secrets. */
function nameOf(text: string): string {
  try {
    return redactModelRef(parseModelRef(text));
  } catch {
    return text;
  }
}
