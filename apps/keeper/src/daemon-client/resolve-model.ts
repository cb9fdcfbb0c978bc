import {
  type HfRef,
  isProjector,
  type ModelId,
  type ModelRef,
  modelIdSchema,
  parseModelRef,
  printModelRef,
  RbeeError,
  redactModelRef,
  redactRef,
} from '@rbee/contract';
import type { ListedModel } from '../results.ts';
import type { ListClient } from './list-client.ts';
import { ambiguous, beginningOf, looksLikeId, resolveId } from './resolve-id.ts';

/** The parser's default revision. */
const ANY_REVISION = 'main';

/** The full id of a model, from an id, its beginning or a name; of one hive's models if a hive is given. */
export async function resolveModelId(
  client: ListClient,
  text: string,
  hive: string | undefined,
  signal: AbortSignal,
): Promise<ModelId> {
  const id = await resolveModel(text, async () => {
    const { models } = await client.models(signal);
    return models.filter((model) => hive === undefined || model.hive_id === hive);
  });
  return modelIdSchema.parse(id);
}

/**
 * Resolves an id, the beginning of exactly one, or a name to the id of a model. A name without a revision matches any
 * stored commit. `list` is not called for a full id.
 * @throws KeeperError USAGE, RbeeError MODEL_REF_INVALID or MODEL_NOT_FOUND
 */
async function resolveModel(text: string, list: () => Promise<readonly ListedModel[]>): Promise<string> {
  if (looksLikeId(text)) return resolveId('model', text, async () => (await list()).map((model) => model.model_id));
  const [first] = matchingModels(await list(), text);
  if (first !== undefined) return first.model_id;
  throw new RbeeError('MODEL_NOT_FOUND', `no hive has the model ${redactModelRef(parseModelRef(text))}`, {
    hint: 'run "rbee-keeper model list" to see the models and their ids',
  });
}

/** What identifies a model in a list. */
type NamedModel = Pick<ListedModel, 'hive_id' | 'model_id' | 'model_ref'>;

/**
 * The entries of the one model that an id, the beginning of an id or a name means; none if it means none.
 * @throws KeeperError USAGE if it means several; RbeeError MODEL_REF_INVALID
 */
export function matchingModels<M extends NamedModel>(models: readonly M[], text: string): readonly M[] {
  const isIt = looksLikeId(text) ? idMatcher(text) : refMatcher(text);
  const matches = models.filter(isIt);
  const ids = [...new Set(matches.map((model) => model.model_id))];
  if (ids.length > 1) throw ambiguous('model', safeText(text), ids);
  return matches;
}

function idMatcher(text: string): (model: NamedModel) => boolean {
  const beginning = beginningOf('model', text);
  return ({ model_id: id }) => id.startsWith(beginning);
}

function refMatcher(text: string): (model: NamedModel) => boolean {
  const wanted = parseModelRef(text);
  return ({ model_ref: ref }) => ref === text || matchesRef(wanted, ref);
}

/** URLs may have secrets. */
function safeText(text: string): string {
  if (looksLikeId(text)) return text;
  const ref = parseModelRef(text);
  return 'url' in ref ? redactModelRef(ref) : text;
}

function matchesRef(wanted: ModelRef, listedText: string): boolean {
  const listed = readRef(listedText);
  if (listed === null) return false;
  if (wanted.scheme === 'hf') return listed.scheme === 'hf' && isSameRepo(wanted, listed);
  if (wanted.scheme === 'https' || wanted.scheme === 'http') {
    return (
      'url' in listed && listed.url === redactRef(wanted).url && (wanted.sha256 ?? listed.sha256) === listed.sha256
    );
  }
  return printModelRef(wanted) === printModelRef(listed);
}

function isSameRepo(wanted: HfRef, listed: HfRef): boolean {
  if (wanted.repo !== listed.repo) return false;
  if (wanted.revision !== ANY_REVISION && !listed.revision.startsWith(wanted.revision)) return false;
  // The files that globs had selected are not stored, so globs match no model.
  if (wanted.include.length + wanted.exclude.length > 0) return false;
  const { quant } = wanted;
  const models = listed.files.filter((path) => !isProjector(path));
  if (quant !== null) return listed.quant === quant || models.some((path) => path.toUpperCase().includes(quant));
  return wanted.files.length === 0 || [listed.files, models].some((files) => isSameSet(wanted.files, files));
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((member) => b.includes(member));
}

function readRef(text: string): ModelRef | null {
  try {
    return parseModelRef(text);
  } catch (error) {
    // A newer queen may list refs that this version cannot parse.
    if (!(error instanceof RbeeError)) throw error;
    return null;
  }
}
