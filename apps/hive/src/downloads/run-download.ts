import {
  type Clock,
  type Failure,
  formatBytes,
  formatSeconds,
  HEARTBEAT_ACTION,
  type ModelRef,
  PROJECTOR_ACTION,
  RbeeError,
  redactModelRef,
  toRbeeError,
} from '@rbee/contract';
import { withLogFields } from '@rbee/daemon';
import type { DownloadTracker } from '@rbee/download-tracker';
import { narrate, ShutdownRequest, withHeartbeat } from '@rbee/jobs';
import {
  attemptText,
  createConnectionBudget,
  type DiskSpace,
  isOutage,
  type RetryOptions,
  type RetryRule,
  waitForShortages,
  withRetry,
} from '@rbee/transfer';
import { type ResolvedModel, type Sources, soleFileOf, sourceOf } from '../sources/source.ts';
import type { Store } from '../store/store.ts';
import { blamesRequest } from './blames-request.ts';
import { discardContent } from './discard-content.ts';
import { type Download, type DownloadRequest, isPause, partialChoiceOf } from './download.ts';
import { describeModel, heartbeatLine } from './download-narration.ts';
import { createDownloadProgress, type DownloadProgress } from './download-progress.ts';
import type { FetchFile } from './fetch-file.ts';
import { fetchFiles } from './fetch-files.ts';
import type { SingleFlight } from './single-flight.ts';
import type { Slots } from './slots.ts';
import type { TransferCounts } from './transfer-counts.ts';
import { Turn } from './turn.ts';

export interface RunDeps {
  readonly clock: Clock;
  readonly tracker: DownloadTracker;
  readonly store: Store;
  readonly slots: Slots;
  readonly room: DiskSpace;
  readonly flights: SingleFlight;
  readonly counts: Pick<TransferCounts, 'countRetry'>;
  readonly sources: Sources;
  readonly fetchFile: FetchFile;
  /** For one download, over all its files. */
  readonly maxConnections: number;
  readonly retry: RetryRule;
  readonly heartbeatIntervalMs: number;
  /** Called with every error that is a bug, so that it is logged. */
  readonly onBug: (error: unknown, downloadId: string) => void;
}

type Files = ResolvedModel['files'];

/**
 * Runs a download to its end: wait for a slot, resolve, fetch, verify, publish. Ends it in the tracker exactly once,
 * unless the hive is stopping. Rejects with whatever ended it.
 */
export function runDownload(deps: RunDeps, download: Download, request: DownloadRequest): Promise<void> {
  const fields = { downloadId: download.id, jobId: deps.tracker.get(download.id).job_id };
  return withLogFields(fields, () => new DownloadRun(deps, download, request).run());
}

/** The state that the steps of one download share. */
class DownloadRun {
  readonly #deps: RunDeps;
  readonly #download: Download;
  readonly #request: DownloadRequest;
  /** Aborts on a cancel or a pause; a resume replaces it. */
  #signal: AbortSignal;
  /** Its slot in the queue; each run has its own. */
  #turn: Turn;
  /** What it fetches, once that is known. */
  #fetched: { readonly place: string; readonly commit: string; readonly files: Files } | null = null;

  constructor(deps: RunDeps, download: Download, request: DownloadRequest) {
    this.#deps = deps;
    this.#download = download;
    this.#request = request;
    this.#signal = download.runSignal;
    this.#turn = new Turn(deps.slots, () => 0);
  }

  async run(): Promise<void> {
    const { tracker } = this.#deps;
    const { id } = this.#download;
    try {
      while (!(await this.#runUntilPaused())) {
        // A queued download is marked as paused when its pause is requested; a running one only now that it has stopped.
        if (tracker.get(id).status !== 'paused') tracker.update(id, { status: 'paused' });
        narrate('download_paused', '⏸️ Paused: partial files are kept');
      }
    } catch (error) {
      await this.#endWith(error);
      throw error;
    }
  }

  /** Resolves with false if a pause stopped it. */
  async #runUntilPaused(): Promise<boolean> {
    const { clock, tracker, slots, heartbeatIntervalMs: intervalMs } = this.#deps;
    const { id } = this.#download;
    await this.#download.untilResumed();
    const signal = this.#download.runSignal;
    this.#signal = signal;
    const beat = () => narrate(HEARTBEAT_ACTION, heartbeatLine(tracker.get(id), this.#request.ref));
    try {
      await withHeartbeat({ clock, intervalMs, signal, beat }, async () => {
        const turn = new Turn(slots, () => tracker.get(id).priority);
        this.#turn = turn;
        try {
          await turn.take(signal);
          await waitForShortages(() => this.#fetchNewest(), this.#retryOptions);
        } finally {
          turn.end();
        }
      });
      return true;
    } catch (error) {
      if (isPause(signal.reason) && !this.#download.signal.aborted) return false;
      throw error;
    }
  }

  /** If the source changes during the fetch, resolves again once: the new version has other blob names. */
  async #fetchNewest(): Promise<void> {
    const model = await this.#lookUp();
    try {
      await this.#fetchModel(model);
    } catch (error) {
      if (!(error instanceof RbeeError) || error.code !== 'SOURCE_CHANGED') throw error;
      const newest = await this.#lookUp();
      if (newest.commit === model.commit) throw error;
      await this.#discardContent();
      this.#download.clearContent();
      narrate('download_restart', `🔁 ${error.message}: starting over with the new version`, 'warn');
      await this.#fetchModel(newest);
    }
  }

  async #lookUp(): Promise<ResolvedModel> {
    const { ref } = this.#request;
    this.#deps.tracker.update(this.#download.id, { status: 'starting' });
    narrate('download_resolve', `🔎 Looking up ${redactModelRef(ref)}`);
    const model = await this.#resolve(ref);
    if (model.fromStore !== undefined)
      narrate('download_offline', `📴 ${model.title} is in the store; ${model.fromStore}`);
    if (model.alsoChosen !== undefined) narrate(PROJECTOR_ACTION, `👀 ${model.alsoChosen}`);
    if (model.leftOut !== undefined) narrate('download_left_out', `⚠️ ${model.leftOut}`, 'warn');
    for (const remark of model.remarks ?? []) narrate('download_remark', `ℹ️ ${model.title}: ${remark}`);
    return model;
  }

  #resolve(ref: ModelRef): Promise<ResolvedModel> {
    const { sources } = this.#deps;
    const signal = this.#signal;
    const source = sourceOf(sources, ref);
    const hasBegun = this.#download.hasBegun;
    return withRetry(() => source.resolve(ref, signal), {
      ...this.#retryOptions,
      isPatient: (error) => isOutage(error) && (hasBegun || !blamesRequest(error, ref)),
    });
  }

  get #retryOptions(): RetryOptions {
    const { retry: rule, counts, tracker } = this.#deps;
    return {
      signal: this.#signal,
      rule,
      onRetry: (retry) => {
        const { error, attempt, maxAttempts, nextRetryAtMs } = retry;
        counts.countRetry(error.code);
        const message = `${error.message}; retrying`;
        const most = maxAttempts === null ? {} : { maxAttempts };
        tracker.notice(this.#download.id, { code: 'RETRY', message, attempt, ...most, nextRetryAtMs });
        narrate('download_retry', `🔁 ${message} (${attemptText(retry)})`, 'warn');
      },
    };
  }

  async #fetchModel(model: ResolvedModel): Promise<void> {
    const { clock, store, tracker } = this.#deps;
    const { place } = model;
    this.#download.setContent({ place, blobNames: model.files.map(({ blobName }) => blobName) });
    const files = checkedAgainst(this.#request.sha256, model);
    this.#fetched = { place, commit: model.commit, files };
    // Held from the first look at the store until the model is published: nothing it found may be removed.
    const releasePlace = await store.acquirePlace(place, this.#signal);
    try {
      await store.assertNamesFree({ place, revision: model.revision, commit: model.commit, files });
      const present = await store.presentBytes(place, model.commit, files);
      // Created before space is reserved, which counts from the bytes that are present.
      const progress = createDownloadProgress({ tracker, clock }, this.#download.id, files, present);
      const releaseSpace = await this.#reserveSpace(place, files, present);
      try {
        narrate('download_start', `📥 Downloading ${describeModel(model, progress.total)}`);
        const digests = await this.#fetchFiles(model, files, progress);
        await this.#publish(model, files, digests, progress.verifiedMs);
      } finally {
        releaseSpace();
      }
    } finally {
      releasePlace();
    }
  }

  /** Reserves disk space before the first byte, for all files together. */
  #reserveSpace(place: string, files: Files, present: readonly number[]): Promise<() => void> {
    const { room, store, tracker } = this.#deps;
    const { id } = this.#download;
    // A local file may be linked. If it has to be copied, the copy checks for space itself.
    const missing = files.map(({ size, local }, index) =>
      local ? 0 : Math.max(0, (size ?? 0) - (present[index] ?? 0)),
    );
    const rest = missing.reduce((sum, bytes) => sum + bytes, 0);
    const fetched = () => tracker.get(id).bytes - tracker.get(id).bytes_reused;
    const before = fetched();
    return room.claim(store.layout.blobsFolder(place), () => Math.max(0, rest - Math.max(0, fetched() - before)));
  }

  /** The sha256 of each file. */
  #fetchFiles({ place, commit }: ResolvedModel, files: Files, progress: DownloadProgress): Promise<string[]> {
    const { fetchFile, maxConnections } = this.#deps;
    const { limiter } = this.#download;
    const turn = this.#turn;
    return fetchFiles(files, {
      connections: createConnectionBudget(maxConnections),
      signal: this.#signal,
      async fetch(file, index, connections, signal) {
        const watcher = progress.begin(index);
        const sha256 = await fetchFile({ place, commit, file, signal, limiter, turn, connections, watcher });
        watcher.done();
        return sha256;
      },
    });
  }

  async #publish(
    model: ResolvedModel,
    files: Files,
    digests: readonly string[],
    verifiedMs: number | null,
  ): Promise<void> {
    const { store, tracker } = this.#deps;
    const { id } = this.#download;
    const { place, revision, commit } = model;
    const stored = files.map(({ path, blobName }, index) => ({ path, blobName, sha256: digests[index] ?? null }));
    const sole = soleFileOf(files);
    const sha256 = sole === null ? null : (digests[files.indexOf(sole)] ?? null);
    const first = await store.publish({ place, revision, commit, modelRef: model.pinnedRef(sha256), files: stored });
    const path = sole === null ? store.layout.snapshotFolder(place, commit) : first;
    tracker.complete(id, { path, sha256 });
    const { bytes, elapsed_secs: secs } = tracker.get(id);
    const verified = verifiedMs === null ? '' : `, verified in ${formatSeconds(verifiedMs / 1_000)}`;
    narrate(
      'download_complete',
      `✅ Model ready: ${path} (${formatBytes(bytes)} in ${formatSeconds(secs)}${verified})`,
    );
  }

  async #endWith(error: unknown): Promise<void> {
    const { tracker, onBug } = this.#deps;
    const { signal, id } = this.#download;
    // A stopping daemon ends no download: the next start resumes it from what is on disk.
    if (signal.reason instanceof ShutdownRequest) return;
    if (signal.aborted) {
      const { fate, why } = await this.#settlePartials();
      tracker.cancel(id, fate);
      const { bytes } = tracker.get(id);
      const kept = `${formatBytes(bytes)} kept on disk`;
      narrate('download_cancelled', `🛑 Cancelled: ${fate === 'kept' ? kept : 'partial files deleted'}${why}`);
      return;
    }
    await this.#discardUnusable();
    const failure = toRbeeError(error);
    if (failure.code === 'INTERNAL') onBug(error, id);
    const { code, message, hint } = failure;
    const shown: Failure = { code, message, ...(hint === undefined ? {} : { hint }) };
    tracker.fail(id, shown);
    narrate('download_failed', `❌ ${message}${hint === undefined ? '' : ` (${hint})`}`, 'error');
  }

  /**
   * Deletes the partial files of a cancelled download if the cancel says so, or if nobody could use them. Until the source
   * has been resolved, in this run of the hive or a previous one, it has written nothing, and there is nothing to delete.
   */
  async #settlePartials(): Promise<{ fate: 'kept' | 'discarded'; why: string }> {
    const { signal, content } = this.#download;
    if (partialChoiceOf(signal.reason) === 'discard') {
      if (!(await this.#discardContent())) return { fate: 'discarded', why: '' };
      await this.#countKept();
      return { fate: 'kept', why: ': another download uses it' };
    }
    if (content === null) return { fate: 'kept', why: '' };
    if (!(await this.#discardUnusable())) return { fate: 'kept', why: '' };
    return { fate: 'discarded', why: ': nothing tells which version they are of' };
  }

  /** Deletes partial files that no later download could resume, since nothing proves what they hold. */
  async #discardUnusable(): Promise<boolean> {
    const { flights, store, tracker } = this.#deps;
    const { content, id } = this.#download;
    if (content === null || tracker.get(id).bytes === 0) return false;
    // A blob that is being fetched has more than its journals claim by now.
    if (content.blobNames.some((name) => flights.has(store.layout.blob(content.place, name)))) return false;
    if ((await this.#countKept()) > 0) return false;
    await this.#discardContent();
    return true;
  }

  /** Corrects the number of bytes to what the next download will find; returns it. */
  async #countKept(): Promise<number> {
    const { store, tracker } = this.#deps;
    const { id } = this.#download;
    const { bytes, bytes_wasted: wasted } = tracker.get(id);
    if (this.#fetched === null) return bytes;
    const { place, commit, files } = this.#fetched;
    const present = await store.presentBytes(place, commit, files).catch(() => null);
    if (present === null) return bytes;
    const kept = present.reduce((sum, each) => sum + each, 0);
    if (kept < bytes) tracker.update(id, { bytes: kept, bytesWasted: wasted + (bytes - kept) });
    return kept;
  }

  /** Returns whether something was left because another download uses it. */
  async #discardContent(): Promise<boolean> {
    const { content } = this.#download;
    return content !== null && (await discardContent(this.#deps, content));
  }
}

/** The model's files, with the sha256 that the request expects. */
function checkedAgainst(sha256: string | null, model: ResolvedModel): Files {
  if (sha256 === null) return model.files;
  const [file, ...others] = model.files;
  const isWithProjector = model.alsoChosen !== undefined && others.length === 1;
  if (!isWithProjector && soleFileOf(model.files) !== file) {
    const hint = 'name one file: ::file=path';
    throw new RbeeError('REQUEST_INVALID', `a sha256 is for one file, but the ref names ${model.files.length}`, {
      hint,
    });
  }
  if (file.sha256 !== null && file.sha256 !== sha256) {
    throw new RbeeError('CHECKSUM_MISMATCH', `${file.path} at the source has another sha256`, {
      hint: 'check the sha256 and the revision',
      details: { expected: sha256, actual: file.sha256 },
    });
  }
  return [{ ...file, sha256 }, ...others];
}
