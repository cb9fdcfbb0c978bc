import {
  type HfRef,
  type ModelRef,
  parseModelRef,
  printModelRef,
  RbeeError,
  redactModelRef,
  redactRef,
} from '@rbee/contract';
import type { ListedModel } from '../answers.ts';
import { ambiguous, looksLikeId, resolveId } from './resolve-id.ts';

/** The revision of a ref that names none. */
const ANY_REVISION = 'main';

/**
 * The id of the model that a text stands for: an id, the beginning of exactly one, or a ref. A ref without a revision
 * stands for whichever commit is there. `list` is not asked for a whole id.
 * @throws KeeperError USAGE, RbeeError MODEL_REF_INVALID or MODEL_NOT_FOUND
 */
export async function resolveModel(text: string, list: () => Promise<readonly ListedModel[]>): Promise<string> {
  if (looksLikeId(text)) return resolveId('model', text, async () => (await list()).map((model) => model.model_id));
  const wanted = parseModelRef(text);
  const matches = (await list()).filter(({ model_ref: ref }) => ref === text || isMeant(wanted, ref));
  const ids = [...new Set(matches.map((model) => model.model_id))];
  const [first, ...others] = ids;
  if (first === undefined) {
    throw new RbeeError('MODEL_NOT_FOUND', `no hive has the model ${redactModelRef(wanted)}`, {
      hint: '"rbee-keeper model list" shows the models and their ids',
    });
  }
  if (others.length > 0) throw ambiguous('model', 'url' in wanted ? redactModelRef(wanted) : text, ids);
  return first;
}

function isMeant(wanted: ModelRef, listedText: string): boolean {
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
  // What globs had chosen is not known any more: they stand for no model.
  if (wanted.include.length + wanted.exclude.length > 0) return false;
  const { quant } = wanted;
  if (quant !== null) return listed.files.some((path) => path.toUpperCase().includes(quant));
  return wanted.files.length === 0 || [...wanted.files].sort().join('\n') === [...listed.files].sort().join('\n');
}

function readRef(text: string): ModelRef | null {
  try {
    return parseModelRef(text);
  } catch (error) {
    // A newer queen may know refs that this program does not.
    if (!(error instanceof RbeeError)) throw error;
    return null;
  }
}
