import {
  type Clock,
  type Failure,
  formatBytes,
  formatSpeed,
  HEARTBEAT_ACTION,
  type ModelRef,
  RbeeError,
  shortNameOf,
  showModelRef,
  toRbeeError,
} from '@rbee/contract';
import type { DownloadTracker } from '@rbee/download-tracker';
import { narrate, ShutdownRequest, withHeartbeat } from '@rbee/jobs';
import { createConnectionBudget, type DiskRoom, discardPartial, type RetryRule, withRetry } from '@rbee/transfer';
import { type ResolvedModel, type Sources, sourceOf } from '../sources/source.ts';
import type { Store } from '../store/store.ts';
import { type Download, isPause, partialChoiceOf } from './download.ts';
import { createTally, type Tally } from './download-progress.ts';
import type { DownloadRequest } from './downloads.ts';
import type { FetchFile } from './fetch-file.ts';
import { fetchAll } from './fetch-files.ts';
import type { BlobFlights } from './single-flight.ts';
import type { Slots } from './slots.ts';
import type { TransferCounts } from './transfer-counts.ts';

export interface RunDeps {
  readonly clock: Clock;
  readonly tracker: DownloadTracker;
  readonly store: Store;
  readonly slots: Slots;
  readonly room: DiskRoom;
  readonly flights: BlobFlights;
  readonly counts: Pick<TransferCounts, 'retried'>;
  readonly sources: Sources;
  readonly fetchFile: FetchFile;
  /** For one download, over all its files. */
  readonly maxConnections: number;
  readonly retry: RetryRule;
  readonly heartbeatIntervalMs: number;
  /** Told of every error that is a bug, so that it reaches the log. */
  readonly onBug: (error: unknown, downloadId: string) => void;
}

/** The work of one download: wait for a place, resolve, fetch, verify, publish; and its one end in the tracker. */
export async function runDownload(deps: RunDeps, download: Download, request: DownloadRequest): Promise<void> {
  try {
    while (!(await runUntilPaused(deps, download, request))) {
      // Only what had a place can be paused while it works; one that waits is so already.
      if (deps.tracker.get(download.id).status !== 'paused') deps.tracker.update(download.id, { status: 'paused' });
      narrate('download_paused', '⏸️ Paused: what is on disk stays');
    }
  } catch (error) {
    await endBadly(deps, download, error);
    throw error;
  }
}

/** False when a pause stopped it. */
async function runUntilPaused(deps: RunDeps, download: Download, request: DownloadRequest): Promise<boolean> {
  const { clock, heartbeatIntervalMs: intervalMs } = deps;
  await download.untilResumed();
  const signal = download.runSignal;
  const beat = () => narrate(HEARTBEAT_ACTION, heartbeatLine(deps, download, request.ref));
  try {
    await withHeartbeat({ clock, intervalMs, signal, beat }, async () => {
      const leave = await deps.slots.take(signal, () => deps.tracker.get(download.id).priority);
      try {
        await fetchNewest(deps, download, request, signal);
      } finally {
        leave();
      }
    });
    return true;
  } catch (error) {
    if (isPause(signal.reason) && !download.signal.aborted) return false;
    throw error;
  }
}

/** What changes at its source while it is fetched is looked up once more, since another version has another name. */
async function fetchNewest(
  deps: RunDeps,
  download: Download,
  request: DownloadRequest,
  signal: AbortSignal,
): Promise<void> {
  const model = await lookUp(deps, download, request, signal);
  try {
    await fetchModel(deps, download, request, model, signal);
  } catch (error) {
    if (!(error instanceof RbeeError) || error.code !== 'SOURCE_CHANGED') throw error;
    const newest = await lookUp(deps, download, request, signal);
    if (newest.commit === model.commit) throw error;
    await discardContent(deps, download);
    download.expectNothing();
    narrate('download_restart', `🔁 ${error.message}: starts again with what is there now`, 'warn');
    await fetchModel(deps, download, request, newest, signal);
  }
}

async function lookUp(deps: RunDeps, download: Download, { ref }: DownloadRequest, signal: AbortSignal) {
  deps.tracker.update(download.id, { status: 'starting' });
  narrate('download_resolve', `🔎 Looking up ${showModelRef(ref)}`);
  const model = await resolve(deps, download, ref, signal);
  if (model.fromStore !== undefined)
    narrate('download_offline', `📴 ${model.title} is in the store; ${model.fromStore}`);
  return model;
}

async function fetchModel(
  deps: RunDeps,
  download: Download,
  request: DownloadRequest,
  model: ResolvedModel,
  signal: AbortSignal,
): Promise<void> {
  const { store } = deps;
  download.expect({ place: model.place, blobNames: model.files.map(({ blobName }) => blobName) });
  const files = checkedAgainst(request.sha256, model);
  // From the first look at what is there until it is published, nothing of it may be removed.
  const release = await store.use(model.place, signal);
  try {
    await fetchFiles(deps, download, model, files, signal);
  } finally {
    release();
  }
}

async function fetchFiles(
  deps: RunDeps,
  download: Download,
  model: ResolvedModel,
  files: ResolvedModel['files'],
  signal: AbortSignal,
): Promise<void> {
  const present = await deps.store.presentBytes(model.place, files);
  // Before the room is claimed: from here on the download's own numbers start at what is there.
  const tally = createTally(deps.tracker, download.id, files, present);
  const giveBackRoom = await claimRoom(deps, download, model.place, files, present);
  try {
    await fetchAndPublish(deps, download, model, files, tally, signal);
  } finally {
    giveBackRoom();
  }
}

/** Before the first byte, for all files together; what is there already needs none. */
function claimRoom(
  { room, store, tracker }: RunDeps,
  { id }: Download,
  place: string,
  files: ResolvedModel['files'],
  present: readonly number[],
): Promise<() => void> {
  // A file of this machine may be linked: it asks for room itself where it has to be copied.
  const missing = files.map(({ size, local }, index) => (local ? 0 : Math.max(0, (size ?? 0) - (present[index] ?? 0))));
  const rest = missing.reduce((sum, bytes) => sum + bytes, 0);
  const fetched = () => tracker.get(id).bytes - tracker.get(id).bytes_reused;
  const before = fetched();
  return room.claim(store.layout.blobsFolder(place), () => Math.max(0, rest - Math.max(0, fetched() - before)));
}

async function fetchAndPublish(
  deps: RunDeps,
  download: Download,
  model: ResolvedModel,
  files: ResolvedModel['files'],
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  const { tracker, store, maxConnections } = deps;
  const { place, revision, commit } = model;
  narrate('download_start', `📥 Downloading ${describe(model, tally.total)}`);
  const digests = await fetchAll(files, {
    connections: createConnectionBudget(maxConnections),
    signal,
    async fetch(file, index, connections, fileSignal) {
      const watcher = tally.begin(index);
      const { limiter } = download;
      const sha256 = await deps.fetchFile({ place, file, signal: fileSignal, limiter, connections, watcher });
      watcher.done();
      return sha256;
    },
  });
  const stored = files.map(({ path, blobName }, index) => ({ path, blobName, sha256: digests[index] ?? null }));
  const sha256 = digests.length === 1 ? (digests[0] ?? null) : null;
  const first = await store.publish({ place, revision, commit, modelRef: model.pinnedRef(sha256), files: stored });
  const path = files.length === 1 ? first : store.layout.snapshotFolder(place, commit);
  tracker.complete(download.id, { path, sha256 });
  narrate('download_complete', `✅ Model ready: ${path} (${formatBytes(tracker.get(download.id).bytes)})`);
}

function resolve(deps: RunDeps, download: Download, ref: ModelRef, signal: AbortSignal): Promise<ResolvedModel> {
  const source = sourceOf(deps.sources, ref);
  return withRetry(() => source.resolve(ref, signal), {
    signal,
    rule: deps.retry,
    onRetry: ({ error, attempt, maxAttempts, nextRetryAtMs }) => {
      deps.counts.retried(error.code);
      const message = `${error.message}; trying again`;
      deps.tracker.notice(download.id, { code: 'RETRY', message, attempt, maxAttempts, nextRetryAtMs });
      narrate('download_retry', `🔁 ${message} (attempt ${attempt} of ${maxAttempts})`, 'warn');
    },
  });
}

/** The files, with what the request says of their content. */
function checkedAgainst(sha256: string | null, model: ResolvedModel): ResolvedModel['files'] {
  if (sha256 === null) return model.files;
  const [file, ...more] = model.files;
  if (more.length > 0) {
    const hint = 'name the file: ::file=path';
    throw new RbeeError('REQUEST_INVALID', `a sha256 speaks of one file, the ref of ${model.files.length}`, { hint });
  }
  if (file.sha256 !== null && file.sha256 !== sha256) {
    throw new RbeeError('CHECKSUM_MISMATCH', `the source's ${file.path} is not the file with that sha256`, {
      hint: 'check the sha256 and the revision',
      details: { expected: sha256, actual: file.sha256 },
    });
  }
  return [{ ...file, sha256 }];
}

async function endBadly(deps: RunDeps, download: Download, error: unknown): Promise<void> {
  const { tracker, onBug } = deps;
  const { signal, id } = download;
  // A daemon that stops ends no download: what is on disk is where the next start goes on.
  if (signal.reason instanceof ShutdownRequest) return;
  if (signal.aborted) {
    const { bytes } = tracker.get(id);
    const partial = await discardIfAsked(deps, download);
    tracker.cancel(id, partial);
    const fate = partial === 'kept' ? `${formatBytes(bytes)} kept on disk` : 'what was on disk is deleted';
    narrate('download_cancelled', `🛑 Cancelled: ${fate}`);
    return;
  }
  const failure = toRbeeError(error);
  if (failure.code === 'INTERNAL') onBug(error, id);
  const { code, message, hint } = failure;
  const shown: Failure = { code, message, ...(hint === undefined ? {} : { hint }) };
  tracker.fail(id, shown);
  narrate('download_failed', `❌ ${message}${hint === undefined ? '' : ` (${hint})`}`, 'error');
}

/**
 * Deletes what a cancelled download has on disk, where that was asked for; the answer is what became of it. A blob that
 * another download fetches now is left to that one. Before the source has told what there is, in this life of the hive or an
 * earlier one, nothing is known to delete.
 */
async function discardIfAsked(deps: RunDeps, download: Download): Promise<'kept' | 'discarded'> {
  if (partialChoiceOf(download.signal.reason) === 'keep' || download.content === null) return 'kept';
  await discardContent(deps, download);
  return 'discarded';
}

async function discardContent({ flights, store: { layout } }: RunDeps, { content }: Download): Promise<void> {
  if (content === null) return;
  const { place, blobNames } = content;
  for (const name of blobNames) {
    if (!flights.has(layout.blob(place, name))) await discardPartial(layout.partial(place, name));
  }
}

function heartbeatLine(deps: RunDeps, download: Download, ref: ModelRef): string {
  const { bytes, total, percent, speed_bps, status } = deps.tracker.get(download.id);
  const name = shortNameOf(ref);
  if (status === 'queued') return `⏳ Still waiting for a slot: ${name}`;
  if (status === 'starting') return `⏳ Still looking up ${name}`;
  if (status === 'verifying') return `⏳ Still verifying ${name} (${formatBytes(bytes)})`;
  const size = total === null ? formatBytes(bytes) : `${formatBytes(bytes)} / ${formatBytes(total)}`;
  const share = percent === null ? '' : `, ${percent.toFixed(1)}%`;
  return `⏳ Still downloading ${name} (${size}${share}, ${formatSpeed(speed_bps)})`;
}

function describe(model: ResolvedModel, total: number | null): string {
  const [first, ...more] = model.files;
  const what = more.length === 0 ? `${first.path} of ${model.title}` : `${model.files.length} files of ${model.title}`;
  return `${what} at ${model.commit.slice(0, 12)}${total === null ? '' : ` (${formatBytes(total)})`}`;
}
