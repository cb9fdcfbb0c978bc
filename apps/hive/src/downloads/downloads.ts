import {
  type CancelReceipt,
  type Clock,
  type DownloadId,
  type DownloadPatch,
  type Download as DownloadSnapshot,
  type DownloadStatus,
  isTerminalEvent,
  newDownloadId,
  parseModelRef,
  printModelRef,
  RbeeError,
  redactModelRef,
  SNAPSHOT_END_EVENT,
} from '@rbee/contract';
import { type DownloadState, type DownloadTracker, isEnded } from '@rbee/download-tracker';
import type { Channel, KeyedStream, StreamHub } from '@rbee/event-stream';
import { type CancelRequest, type Job, withListener } from '@rbee/jobs';
import type { Limiter } from '@rbee/transfer';
import type { History } from '../history/history.ts';
import type { DownloadContent } from '../history/saved-rows.ts';
import { discardContent } from './discard-content.ts';
import { Download, type DownloadOptions, type DownloadRequest } from './download.ts';
import { type RunDeps, runDownload } from './run-download.ts';

export interface DownloadsDeps {
  readonly hiveId: string;
  readonly clock: Clock;
  readonly hub: StreamHub;
  readonly tracker: DownloadTracker;
  readonly history: History;
  /** The bandwidth of the whole hive. */
  readonly limiter: Limiter;
  /** For the work of each download. */
  readonly run: RunDeps;
}

interface JoinedDownload {
  readonly download: Download;
  /** Starts it; resolves when it has begun, whoever starts it. @throws RbeeError STATE_UNAVAILABLE when its start was undone */
  begin(): Promise<void>;
  leave(): void;
}

/** More blobs than that are not remembered of an ended download. */
const MAX_LEFTOVERS = 1_000;

/** Every download of the hive: its jobs, its state and its stream. */
export class Downloads {
  readonly #deps: DownloadsDeps;
  /** Downloads that have not ended, by id. */
  readonly #live = new Map<DownloadId, Download>();
  /** The same downloads by request, so that an equal request joins. */
  readonly #byRequest = new Map<string, Download>();
  readonly #requests = new Map<DownloadId, DownloadRequest>();
  readonly #channels = new Map<DownloadId, Channel>();
  /** Where ended downloads may have left partials. */
  readonly #leftovers = new Map<DownloadId, DownloadContent>();
  /** The events of all downloads, by their ids. */
  readonly stream: KeyedStream;

  constructor(deps: DownloadsDeps) {
    this.#deps = deps;
    const { tracker, history, hub } = deps;
    this.stream = hub.keyedStream({ snapshotEnd: { event: SNAPSHOT_END_EVENT, data: '{}' } });
    tracker.onKeep((state, isDurable) =>
      history.saveDownload({ state, sha256: this.#request(state.downloadId).sha256 }, isDurable),
    );
    tracker.onSend((states) => history.saveSent(states));
    tracker.onEvent(({ event, data }) => {
      const kind = event === 'progress' ? 'state' : isTerminalEvent(event) ? 'terminal' : 'keep';
      const encoded = { event, data: JSON.stringify(data) };
      this.channel(data.download_id).publish(encoded, kind);
      this.stream.publish(data.download_id, encoded, kind);
    });
    tracker.onForget((id) => {
      this.stream.forget(id);
      this.#channels.delete(id);
      this.#requests.delete(id);
      this.#leftovers.delete(id);
      history.deleteDownload(id);
    });
  }

  /**
   * The download for a job to wait for: the one in progress for an equal request, or a new one, which `begin` starts.
   * `leave` undoes it until then.
   */
  join(job: Job, request: DownloadRequest): JoinedDownload {
    this.#deps.run.slots.release();
    const running = this.#byRequest.get(keyOf(request));
    if (running && !running.signal.aborted) {
      running.join(job);
      return { download: running, begin: () => running.begun, leave: () => running.leave(job) };
    }
    const { tracker, clock, hiveId } = this.#deps;
    const id = newDownloadId(clock.now());
    const { priority, maxBandwidth, retryOf } = request;
    const download = this.#open(id, request);
    download.join(job);
    const modelRef = redactModelRef(request.ref);
    tracker.start({ downloadId: id, jobId: job.id, hiveId, modelRef, priority, maxBandwidth, retryOf });
    // From now on, so that an equal request joins while this one is being saved.
    this.#byRequest.set(keyOf(request), download);
    const begin = async () => {
      this.#start(download, request);
    };
    const leave = () => {
      this.#live.delete(id);
      this.#forgetRequest(download, request);
      download.undo();
      tracker.undo(id);
    };
    return { download, begin, leave };
  }

  /**
   * Restores the downloads of a previous run. Those that had not ended and that a job still wants resume by themselves;
   * they are returned with their jobs.
   */
  restore(jobs: readonly Job[]): { download: Download; jobs: readonly Job[] }[] {
    const restored: { download: Download; jobs: readonly Job[] }[] = [];
    for (const { state, sha256, content } of this.#deps.history.downloads()) {
      const request = requestOf(state, sha256);
      const download = this.#open(state.downloadId, request, { content, isRestored: true });
      this.#deps.tracker.restore(state);
      if (isEnded(state.status)) {
        this.#live.delete(download.id);
        if (content !== null) this.#leftovers.set(download.id, content);
        continue;
      }
      const wanting = jobs.filter((job) => job.downloads.some(({ download_id }) => download_id === download.id));
      for (const job of wanting) download.join(job);
      if (wanting.length === 0) {
        this.#live.delete(download.id);
        this.#deps.tracker.cancel(download.id, 'kept');
        continue;
      }
      if (state.status === 'paused') download.pause();
      this.#start(download, request);
      restored.push({ download, jobs: wanting });
    }
    return restored;
  }

  /** @throws RbeeError DOWNLOAD_NOT_FOUND */
  get(id: DownloadId): DownloadSnapshot {
    return this.#deps.tracker.get(id);
  }

  /** Newest first. */
  list(): DownloadSnapshot[] {
    return this.#deps.tracker.list();
  }

  /** Whether a download that has not ended (also a queued or paused one) may need the files of a place. */
  mayWant(place: string): boolean {
    return [...this.#live.values()].some((download) => {
      if (download.content !== null) return download.content.place === place;
      // Before the source is resolved, the ref alone tells which places are possible.
      const { ref } = this.#request(download.id);
      return ref.scheme === 'hf' ? place === `hf:${ref.repo}` : place.startsWith(`${ref.scheme}:`);
    });
  }

  /** @throws RbeeError DOWNLOAD_NOT_FOUND */
  channel(id: DownloadId): Channel {
    const channel = this.#channels.get(id);
    if (!channel) throw new Error(`${this.get(id).download_id} has no stream`);
    return channel;
  }

  /** The sha256 that a job's request expects; null if it has none. */
  sha256Wanted(job: Job): string | null {
    const [first] = job.downloads;
    return (first && this.#requests.get(first.download_id)?.sha256) ?? null;
  }

  /** The request of a failed or cancelled download, to start it again. @throws RbeeError DOWNLOAD_NOT_FOUND, STATUS_CONFLICT */
  requestForRetry(id: DownloadId): DownloadRequest {
    const { status, priority, max_bandwidth: maxBandwidth } = this.get(id);
    if (status !== 'failed' && status !== 'cancelled')
      throw conflict(id, status, 'only failed or cancelled downloads can be retried');
    return { ...this.#request(id), priority, maxBandwidth, retryOf: id };
  }

  /** Pauses a download; resolves when it has stopped. @throws RbeeError STATUS_CONFLICT */
  async pause(id: DownloadId): Promise<DownloadSnapshot> {
    const { status } = this.get(id);
    const download = this.#live.get(id);
    if (!download || download.isPaused || download.signal.aborted)
      throw conflict(id, status, 'only a queued or running download can be paused');
    const settled = this.#untilStatus(id, (now) => now === 'paused' || isEnded(now));
    download.pause();
    await settled;
    const snapshot = this.get(id);
    if (snapshot.status !== 'paused') throw conflict(id, snapshot.status, 'it ended before it could be paused');
    return snapshot;
  }

  /** Puts a paused download back into the queue. @throws RbeeError STATUS_CONFLICT */
  resume(id: DownloadId): DownloadSnapshot {
    const { status } = this.get(id);
    const download = this.#live.get(id);
    if (!download || status !== 'paused') throw conflict(id, status, 'only a paused download can be resumed');
    this.#deps.tracker.update(id, { status: 'queued' });
    this.#deps.run.slots.release();
    download.resume();
    return this.get(id);
  }

  /** Changes the limit or priority of a download. @throws RbeeError STATUS_CONFLICT when it has ended */
  patch(id: DownloadId, patch: DownloadPatch): DownloadSnapshot {
    const { status } = this.get(id);
    if (isEnded(status)) throw conflict(id, status, 'a download that has ended cannot be changed');
    if (patch.max_bandwidth !== undefined) this.#live.get(id)?.limiter.set(patch.max_bandwidth);
    this.#deps.tracker.update(id, {
      ...(patch.priority === undefined ? {} : { priority: patch.priority }),
      ...(patch.max_bandwidth === undefined ? {} : { maxBandwidth: patch.max_bandwidth }),
    });
    return this.get(id);
  }

  /**
   * Stops a download for all jobs that wait for it, and returns these, for the caller to cancel; none once it has ended.
   * @throws RbeeError DOWNLOAD_NOT_FOUND
   */
  stop(id: DownloadId, reason: CancelRequest): readonly Job[] {
    this.get(id);
    const download = this.#live.get(id);
    const jobs = download?.jobs ?? [];
    download?.cancel(reason);
    return jobs;
  }

  /**
   * Deletes what a failed or cancelled download left on disk, except what other downloads still want; no effect on any
   * other download.
   * @throws RbeeError DOWNLOAD_NOT_FOUND
   */
  async discardLeftovers(id: DownloadId): Promise<void> {
    const { tracker, history, run } = this.#deps;
    const { status, partial } = this.get(id);
    const content = this.#leftovers.get(id);
    if (content === undefined || partial === 'discarded' || !isEnded(status)) return;
    const wanted = [...this.#live.values()].flatMap((download) =>
      download.content?.place === content.place ? download.content.blobNames : [],
    );
    const isKept = await discardContent(run, content, (name) => wanted.includes(name));
    if (isKept || !tracker.has(id) || this.get(id).partial === 'discarded') return;
    this.#leftovers.delete(id);
    history.saveContent(id, null);
    tracker.discard(id);
  }

  /** Removes an ended download from the history. @throws RbeeError STATUS_CONFLICT */
  remove(id: DownloadId): void {
    const { status } = this.get(id);
    if (!isEnded(status)) throw conflict(id, status, 'cancel it first');
    this.#deps.tracker.remove(id);
  }

  /** Removes ended downloads of a status or an age from the history; returns how many. */
  clear(status: DownloadStatus | undefined, olderThanMs: number | undefined): number {
    const before = this.#deps.clock.now() - (olderThanMs ?? 0);
    const old = this.list().filter(
      (download) =>
        isEnded(download.status) &&
        (status === undefined || download.status === status) &&
        Date.parse(download.ended_at ?? '') <= before,
    );
    for (const { download_id } of old) this.#deps.tracker.remove(download_id);
    return old.length;
  }

  /**
   * What the cancel of a job did to its downloads. A download that continues for another job is left out.
   * `stopped`: the cancel ended the job; otherwise it had already ended.
   */
  receipts(job: Job, stopped: boolean): CancelReceipt[] {
    return job.downloads
      .filter(({ download_id }) => this.#deps.tracker.has(download_id))
      .map(({ download_id }) => this.get(download_id))
      .filter((download) => isEnded(download.status))
      .map((download) => receiptOf(download, stopped));
  }

  #open(id: DownloadId, request: DownloadRequest, known: DownloadOptions = {}): Download {
    const onContent = (content: DownloadContent) => this.#deps.history.saveContent(id, content);
    const download = new Download(id, this.#deps.limiter.child(request.maxBandwidth), { ...known, onContent });
    this.#channels.set(id, this.#deps.hub.channel({ mode: 'state' }));
    this.#requests.set(id, request);
    this.#live.set(id, download);
    return download;
  }

  #start(download: Download, request: DownloadRequest): void {
    this.#byRequest.set(keyOf(request), download);
    download.start(() =>
      withListener(download, async () => {
        try {
          await runDownload(this.#deps.run, download, request);
        } finally {
          this.#live.delete(download.id);
          this.#deleteContent(download);
          this.#forgetRequest(download, request);
        }
      }),
    );
  }

  #forgetRequest(download: Download, request: DownloadRequest): void {
    const key = keyOf(request);
    if (this.#byRequest.get(key) === download) this.#byRequest.delete(key);
  }

  /**
   * An ended download needs its content no more, and it may be long; only of one that left partials a short one is kept.
   * A stopping daemon ends no download.
   */
  #deleteContent({ id, content }: Download): void {
    const { tracker, history } = this.#deps;
    if (!tracker.has(id)) return;
    const { status, bytes } = tracker.get(id);
    if (!isEnded(status)) return;
    const mayHaveLeft = status !== 'complete' && bytes > 0;
    if (mayHaveLeft && content !== null && content.blobNames.length <= MAX_LEFTOVERS) this.#leftovers.set(id, content);
    else history.saveContent(id, null);
  }

  #request(id: DownloadId): DownloadRequest {
    const request = this.#requests.get(id);
    if (!request) throw new Error(`${id} has no request`);
    return request;
  }

  #untilStatus(id: DownloadId, isIt: (status: DownloadStatus) => boolean): Promise<void> {
    const { tracker } = this.#deps;
    return new Promise((resolve) => {
      const stop = tracker.onEvent(({ data }) => {
        if (data.download_id !== id || !isIt(tracker.get(id).status)) return;
        stop();
        resolve();
      });
    });
  }
}

/** What a cancel did to a download that has ended by now. `stopped`: by the cancel, if at all. */
export function receiptOf(download: DownloadSnapshot, stopped: boolean): CancelReceipt {
  const { download_id, hive_id, status, partial, bytes } = download;
  return { download_id, hive_id, state: stopped && status === 'cancelled' ? 'stopped' : 'ended', partial, bytes };
}

/** Requests with equal keys are equal: the limit and the priority change no byte. */
function keyOf({ ref, sha256 }: DownloadRequest): string {
  return `${printModelRef(ref)} ${sha256 ?? ''}`;
}

function requestOf(state: DownloadState, sha256: string | null): DownloadRequest {
  const { modelRef, priority, maxBandwidth, retryOf } = state;
  return { ref: parseModelRef(modelRef), sha256, priority, maxBandwidth, retryOf };
}

function conflict(id: DownloadId, status: DownloadStatus, hint: string): RbeeError {
  return new RbeeError('STATUS_CONFLICT', `the download ${id} is ${status}`, { hint });
}
