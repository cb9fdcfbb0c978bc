import type {
  Clock,
  ModelDetail,
  ModelId,
  ModelList,
  ModelPlan,
  ModelRef,
  ModelRemoved,
  ModelsPruned,
  ModelVerified,
} from '@rbee/contract';
import { formatBytes, RbeeError } from '@rbee/contract';
import { narrate } from '@rbee/jobs';
import type { PruneOptions } from '../store/cleanup/prune.ts';
import { type StoredModel, toModel } from '../store/contents/stored-model.ts';
import type { Store } from '../store/store.ts';
import { ggufOfFiles } from './gguf/gguf-of-files.ts';
import { localRanges } from './gguf/ranges.ts';
import { type PlanDeps, planModel } from './plan.ts';
import { verifyModels } from './verify.ts';

export interface ModelsDeps extends PlanDeps {
  readonly clock: Clock;
  readonly store: Store;
  readonly heartbeatIntervalMs: number;
  /** Whether a download that has not ended may need the files of a place. */
  readonly mayWant: (place: string) => boolean;
}

/** Which unused files to remove. */
type PruneRequest = Pick<PruneOptions, 'dryRun' | 'isOnlyPartials' | 'minAgeMs' | 'paths'>;

/** The operations on the models of the store. Each narrates what it does. */
export interface Models {
  /** What a download of the ref would do. */
  plan(ref: ModelRef, signal: AbortSignal): Promise<ModelPlan>;
  list(): Promise<ModelList>;
  /** A model, complete or not. @throws RbeeError MODEL_NOT_FOUND */
  find(id: ModelId): Promise<StoredModel>;
  /** @throws RbeeError MODEL_NOT_FOUND */
  get(id: ModelId, signal: AbortSignal): Promise<ModelDetail>;
  /** @throws RbeeError MODEL_NOT_FOUND, STATUS_CONFLICT */
  remove(id: ModelId): Promise<ModelRemoved>;
  /** What a removal would free, after that of other models. @throws RbeeError MODEL_NOT_FOUND */
  weighRemoval(id: ModelId, after: readonly ModelId[]): Promise<ModelRemoved>;
  /** One model, or all where `id` is null. @throws RbeeError MODEL_NOT_FOUND */
  verify(id: ModelId | null, signal: AbortSignal): Promise<ModelVerified>;
  prune(options: PruneRequest, signal: AbortSignal): Promise<ModelsPruned>;
}

export function createModels(deps: ModelsDeps): Models {
  const { store } = deps;
  return {
    plan: (ref, signal) => planModel(deps, ref, signal),
    async list() {
      const list = await store.list();
      for (const { path, message } of list.problems) narrate('store_problem', `⚠️ ${path}: ${message}`, 'warn');
      narrate('model_listed', `📚 ${count(list.models.length, 'model')}, ${count(list.partials.length, 'partial')}`);
      return list;
    },
    find: (id) => store.find(id),
    async get(id, signal) {
      const model = await store.find(id);
      if (model.missing.length > 0) throw incompleteModel(model);
      const detail = await detailOf(deps, model, signal);
      narrate('model_found', `📄 ${detail.model_ref} (${formatBytes(detail.bytes)}): ${detail.path}`);
      return detail;
    },
    async remove(id) {
      narrate('model_removing', `🗑️ Removing ${(await store.find(id)).modelRef}`);
      const removed = await store.remove(id);
      const { freed_bytes: freed, shared_bytes: shared } = removed;
      const rest = shared === 0 ? '' : `; ${formatBytes(shared)} kept: another model uses them`;
      narrate('model_removed', `✅ Removed: ${formatBytes(freed)} freed${rest}`);
      return removed;
    },
    verify: (id, signal) => verifyModels(deps, id, signal),
    weighRemoval: (id, after) => store.weighRemoval(id, after),
    async prune(request, signal) {
      const { dryRun } = request;
      narrate('prune_start', dryRun ? '🔎 Looking for unused files' : '🧹 Removing unused files');
      const onRemoved = ({ path, kind, bytes }: ModelsPruned['removed'][number]) =>
        narrate(
          'prune_removed',
          `${dryRun ? '🔎 Would remove' : '🗑️ Removed'}: ${kind} ${path} (${formatBytes(bytes)})`,
        );
      const pruned = await store.prune({ ...request, isWanted: deps.mayWant, signal, onRemoved });
      const { removed, freed_bytes: freed } = pruned;
      const done = dryRun ? 'would be freed' : 'freed';
      narrate('prune_complete', `✅ ${count(removed.length, 'thing')}, ${formatBytes(freed)} ${done}`);
      return pruned;
    },
  };
}

async function detailOf({ store, headerTimeoutMs }: ModelsDeps, model: StoredModel, signal: AbortSignal) {
  const { layout } = store;
  const { place, commit, files } = model;
  const placeOf = (path: string) => layout.snapshotFile(place, commit, path);
  const gguf = await ggufOfFiles(
    files.map(({ path }) => path),
    async (path) => localRanges(placeOf(path)),
    { timeoutMs: headerTimeoutMs, signal },
  );
  const file_list = files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256, stored_at: placeOf(path) }));
  return { ...toModel(layout, model), file_list, gguf };
}

function incompleteModel({ id, modelRef }: StoredModel): RbeeError {
  return new RbeeError('MODEL_NOT_FOUND', `the model ${id} is incomplete: some of its files are missing`, {
    hint: `download it again: ${modelRef}`,
  });
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
