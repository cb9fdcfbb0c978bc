import { formatBytes, type ModelPlan, type ModelRef, redactModelRef, spaceNeeded } from '@rbee/contract';
import { narrate } from '@rbee/jobs';
import { attemptText, type RetryRule, withRetry } from '@rbee/transfer';
import type { HttpClient } from '../sources/http/request.ts';
import { type ResolvedModel, soleFileOf } from '../sources/source.ts';
import type { Store } from '../store/store.ts';
import { ggufOfFiles } from './gguf/gguf-of-files.ts';
import { localRanges, remoteRanges } from './gguf/ranges.ts';

export interface PlanDeps {
  readonly store: Store;
  /** One attempt to find out what a ref stands for. */
  readonly resolve: (ref: ModelRef, signal: AbortSignal) => Promise<ResolvedModel>;
  readonly retry: RetryRule;
  /** Reads the header of a remote file. */
  readonly http: HttpClient;
  /** For the header of one file. */
  readonly headerTimeoutMs: number;
}

/** What a download of the ref would do. Reads only the header of a remote GGUF file, and keeps nothing. */
export async function planModel(deps: PlanDeps, ref: ModelRef, signal: AbortSignal): Promise<ModelPlan> {
  const { store } = deps;
  const model_ref = redactModelRef(ref);
  narrate('plan_resolve', `🔎 Looking up ${model_ref}`);
  const model = await withRetry(() => deps.resolve(ref, signal), {
    signal,
    rule: deps.retry,
    onRetry: (retry) => narrate('plan_retry', `🔁 ${retry.error.message}; retrying (${attemptText(retry)})`, 'warn'),
  });
  if (model.alsoChosen !== undefined) narrate('plan_projector', `👀 ${model.alsoChosen}`);
  const present = await store.presentBytes(model.place, model.commit, model.files);
  const unfinished = await store.foreignBytes(model.place, model.files);
  // What another tool has of a file is copied: it need not be fetched, but it takes space.
  const usable = present.map((bytes, index) => (bytes > 0 ? bytes : (unfinished[index] ?? 0)));
  const files = model.files.map(({ path, size, sha256 }, index) => {
    return { path, bytes: size, sha256, present_bytes: usable[index] ?? 0 };
  });
  const total = files.reduce<number | null>(
    (sum, { bytes }) => (sum === null || bytes === null ? null : sum + bytes),
    0,
  );
  const presentSum = usable.reduce((sum, bytes) => sum + bytes, 0);
  const restAfter = (there: readonly number[]) =>
    files.reduce((sum, { bytes }, index) => sum + Math.max(0, (bytes ?? 0) - (there[index] ?? 0)), 0);
  const needed = total === null ? null : restAfter(usable);
  const freeBytes = await store.freeBytes(model.place);
  const fits = freeBytes === null || freeBytes >= spaceNeeded(restAfter(present));
  narrate('plan_ready', `📋 ${describe(model, { total, presentSum, needed, freeBytes })}`);
  for (const remark of model.remarks ?? []) narrate('plan_remark', `ℹ️ ${remark}`);
  if (!fits) narrate('plan_no_room', '⚠️ Not enough free disk space', 'warn');
  return {
    model_ref,
    pinned_ref: model.pinnedRef(soleFileOf(model.files)?.sha256 ?? null),
    files,
    total,
    present_bytes: presentSum,
    needed_bytes: needed,
    free_bytes: freeBytes,
    fits,
    gguf: await ggufOf(deps, model, present, signal),
  };
}

/** Read from the store where the file is on disk, else from its source. */
function ggufOf(deps: PlanDeps, model: ResolvedModel, present: readonly number[], signal: AbortSignal) {
  const { store, http, headerTimeoutMs: timeoutMs } = deps;
  const readerOf = async (path: string) => {
    const index = model.files.findIndex((file) => file.path === path);
    const file = model.files[index];
    if (!file) throw new Error(`${path} is not a file of the model`);
    const isThere = file.size !== null && present[index] === file.size;
    const stored = isThere ? await store.findFile(model.place, model.commit, file) : null;
    if (stored !== null) return localRanges(stored.path);
    return file.local ? localRanges(file.local.path) : remoteRanges(http, await file.locate(signal));
  };
  return ggufOfFiles(
    model.files.map(({ path }) => path),
    readerOf,
    { timeoutMs, signal },
  );
}

interface Sums {
  readonly total: number | null;
  readonly presentSum: number;
  readonly needed: number | null;
  readonly freeBytes: number | null;
}

function describe(model: ResolvedModel, { total, presentSum, needed, freeBytes }: Sums): string {
  const [first, ...more] = model.files;
  const what = more.length === 0 ? `${first.path} of ${model.title}` : `${model.files.length} files of ${model.title}`;
  const size = (bytes: number | null) => (bytes === null ? 'unknown size' : formatBytes(bytes));
  const sums = `${size(total)}, ${formatBytes(presentSum)} on disk, ${size(needed)} to download`;
  return `${what}: ${sums}; ${freeBytes === null ? 'free space unknown' : `${formatBytes(freeBytes)} free`}`;
}
