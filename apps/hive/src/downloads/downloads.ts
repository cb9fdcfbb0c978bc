import {
  type CancelReceipt,
  type Clock,
  type DownloadId,
  type DownloadPatch,
  type Download as DownloadSnapshot,
  type DownloadStatus,
  isTerminalEvent,
  type ModelRef,
  newDownloadId,
  parseModelRef,
  printModelRef,
  RbeeError,
  showModelRef,
} from '@rbee/contract';
import { type DownloadState, type DownloadTracker, isEnded } from '@rbee/download-tracker';
import type { Channel, StreamHub } from '@rbee/event-stream';
import { type Job, withListener } from '@rbee/jobs';
import type { Limiter } from '@rbee/transfer';
import type { History } from '../history/history.ts';
import { type Content, Download } from './download.ts';

export interface DownloadRequest {
  readonly ref: ModelRef;
  /** What the one file must hash to, lower case; null where the request names nothing. */
  readonly sha256: string | null;
  readonly priority: number;
  /** Bytes per second; null is unlimited. */
  readonly maxBandwidth: number | null;
  readonly retryOf: DownloadId | null;
}

export interface DownloadsDeps {
  readonly hiveId: string;
  readonly clock: Clock;
  readonly hub: StreamHub;
  readonly tracker: DownloadTracker;
  readonly history: History;
  /** The bandwidth of the whole hive. */
  readonly limiter: Limiter;
  /** The work of one download, from its place in the queue to its end; it ends the download in the tracker. */
  readonly run: (download: Download, request: DownloadRequest) => Promise<void>;
}

/** Every download of the hive: which jobs want it, what is known of it, and its stream. */
export class Downloads {
  readonly #deps: DownloadsDeps;
  /** Downloads that have not ended, by id. */
  readonly #live = new Map<DownloadId, Download>();
  /** The same, by what was asked for: the same request joins. */
  readonly #byRequest = new Map<string, Download>();
  readonly #requests = new Map<DownloadId, DownloadRequest>();
  readonly #channels = new Map<DownloadId, Channel>();

  constructor(deps: DownloadsDeps) {
    this.#deps = deps;
    const { tracker, history } = deps;
    tracker.onKeep((state) => history.keepDownload({ state, sha256: this.#request(state.downloadId).sha256 }));
    tracker.onEvent((event) => {
      const kind = event.event === 'progress' ? 'state' : isTerminalEvent(event.event) ? 'terminal' : 'keep';
      this.channel(event.data.download_id).publish({ event: event.event, data: JSON.stringify(event.data) }, kind);
    });
    tracker.onForget((id) => {
      this.#channels.delete(id);
      this.#requests.delete(id);
      history.forgetDownload(id);
    });
  }

  /** The download that a job shall wait for: the one under way for the same request, or a new one, which starts at once. */
  join(job: Job, request: DownloadRequest): Download {
    const underWay = this.#byRequest.get(keyOf(request));
    if (underWay && !underWay.signal.aborted) {
      underWay.join(job);
      return underWay;
    }
    const { tracker, clock, hiveId } = this.#deps;
    const id = newDownloadId(clock.now());
    const { priority, maxBandwidth, retryOf } = request;
    const download = this.#open(id, request);
    download.join(job);
    const modelRef = showModelRef(request.ref);
    tracker.start({ downloadId: id, jobId: job.id, hiveId, modelRef, priority, maxBandwidth, retryOf });
    this.#begin(download, request);
    return download;
  }

  /**
   * Takes up the downloads of an earlier life. Those that had not ended and that a job still wants go on by themselves;
   * the answer is each with its jobs.
   */
  restore(jobs: readonly Job[]): { download: Download; jobs: readonly Job[] }[] {
    const revived: { download: Download; jobs: readonly Job[] }[] = [];
    for (const { state, sha256, content } of this.#deps.history.downloads()) {
      const request = requestOf(state, sha256);
      const download = this.#open(state.downloadId, request, content);
      this.#deps.tracker.restore(state);
      if (isEnded(state.status)) {
        this.#live.delete(download.id);
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
      this.#begin(download, request);
      revived.push({ download, jobs: wanting });
    }
    return revived;
  }

  /** @throws RbeeError DOWNLOAD_NOT_FOUND */
  get(id: DownloadId): DownloadSnapshot {
    return this.#deps.tracker.get(id);
  }

  /** Newest first. */
  list(): DownloadSnapshot[] {
    return this.#deps.tracker.list();
  }

  /** Whether a download that has not ended, be it queued or paused, may want what is in a place of the store. */
  mayWant(place: string): boolean {
    return [...this.#live.values()].some((download) => {
      if (download.content !== null) return download.content.place === place;
      // Before its source has told, only the ref says where it may lead.
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

  /** The sha256 that a job's request named; null where it named none. */
  sha256Wanted(job: Job): string | null {
    const [first] = job.downloads;
    return (first && this.#requests.get(first.download_id)?.sha256) ?? null;
  }

  /** What was asked for, to be asked for again. @throws RbeeError DOWNLOAD_NOT_FOUND, STATUS_CONFLICT */
  requestForRetry(id: DownloadId): DownloadRequest {
    const { status, priority, max_bandwidth: maxBandwidth } = this.get(id);
    if (status !== 'failed' && status !== 'cancelled')
      throw conflict(id, status, 'a failed or cancelled one is tried again');
    return { ...this.#request(id), priority, maxBandwidth, retryOf: id };
  }

  /** Stops a download for a while. Answers when its bytes have stopped. @throws RbeeError STATUS_CONFLICT */
  async pause(id: DownloadId): Promise<DownloadSnapshot> {
    const { status } = this.get(id);
    const download = this.#live.get(id);
    if (!download || download.isPaused || download.signal.aborted)
      throw conflict(id, status, 'a running one can be paused');
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
    if (!download || status !== 'paused') throw conflict(id, status, 'a paused one can be resumed');
    this.#deps.tracker.update(id, { status: 'queued' });
    download.resume();
    return this.get(id);
  }

  /** Changes a running download. @throws RbeeError STATUS_CONFLICT when it has ended */
  patch(id: DownloadId, patch: DownloadPatch): DownloadSnapshot {
    const { status } = this.get(id);
    if (isEnded(status)) throw conflict(id, status, 'only one that has not ended can be changed');
    if (patch.max_bandwidth !== undefined) this.#live.get(id)?.limiter.set(patch.max_bandwidth);
    this.#deps.tracker.update(id, {
      ...(patch.priority === undefined ? {} : { priority: patch.priority }),
      ...(patch.max_bandwidth === undefined ? {} : { maxBandwidth: patch.max_bandwidth }),
    });
    return this.get(id);
  }

  /** Forgets an ended download. @throws RbeeError STATUS_CONFLICT */
  remove(id: DownloadId): void {
    const { status } = this.get(id);
    if (!isEnded(status)) throw conflict(id, status, 'cancel it first');
    this.#deps.tracker.remove(id);
  }

  /** Forgets every ended download of a status, or of an age; the answer is how many. */
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
   * What the cancel of a job did to its downloads. One that goes on for another job was not touched and is left out.
   * `stopped` says that the cancel ended the job; otherwise it had ended before.
   */
  receipts(job: Job, stopped: boolean): CancelReceipt[] {
    return job.downloads
      .filter(({ download_id }) => this.#deps.tracker.has(download_id))
      .map(({ download_id }) => this.get(download_id))
      .filter((download) => isEnded(download.status))
      .map((download) => ({
        download_id: download.download_id,
        hive_id: download.hive_id,
        state: stopped && download.status === 'cancelled' ? 'stopped' : 'ended',
        partial: download.partial,
        bytes: download.bytes,
      }));
  }

  #open(id: DownloadId, request: DownloadRequest, content: Content | null = null): Download {
    const onContent = (told: Content) => this.#deps.history.keepContent(id, told);
    const download = new Download(id, this.#deps.limiter.child(request.maxBandwidth), { content, onContent });
    this.#channels.set(id, this.#deps.hub.channel({ mode: 'state' }));
    this.#requests.set(id, request);
    this.#live.set(id, download);
    return download;
  }

  #begin(download: Download, request: DownloadRequest): void {
    const key = keyOf(request);
    this.#byRequest.set(key, download);
    download.begin(() =>
      withListener(download, async () => {
        try {
          await this.#deps.run(download, request);
        } finally {
          this.#live.delete(download.id);
          this.#forgetContent(download.id);
          if (this.#byRequest.get(key) === download) this.#byRequest.delete(key);
        }
      }),
    );
  }

  /** It may be long, and what has ended needs it no more. A daemon that stops has ended nothing. */
  #forgetContent(id: DownloadId): void {
    const { tracker, history } = this.#deps;
    if (tracker.has(id) && isEnded(tracker.get(id).status)) history.keepContent(id, null);
  }

  #request(id: DownloadId): DownloadRequest {
    const request = this.#requests.get(id);
    if (!request) throw new Error(`nobody asked for ${id}`);
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

/** Requests that are the same but for this are the same: a limit or a place in the queue changes no byte. */
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
