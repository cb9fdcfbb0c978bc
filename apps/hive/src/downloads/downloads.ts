import {
  type CancelReceipt,
  type Clock,
  type DownloadId,
  type Download as DownloadSnapshot,
  isTerminalEvent,
  type ModelRef,
  newDownloadId,
  printModelRef,
} from '@rbee/contract';
import { type DownloadTracker, isEnded } from '@rbee/download-tracker';
import type { Channel, StreamHub } from '@rbee/event-stream';
import { type Job, withListener } from '@rbee/jobs';
import { Download } from './download.ts';

export interface DownloadRequest {
  readonly ref: ModelRef;
  /** What the one file must hash to, lower case; null where the request names nothing. */
  readonly sha256: string | null;
}

export interface DownloadsDeps {
  readonly hiveId: string;
  readonly clock: Clock;
  readonly hub: StreamHub;
  readonly tracker: DownloadTracker;
  /** The work of one download, from its place in the queue to its end; it ends the download in the tracker. */
  readonly run: (download: Download, request: DownloadRequest) => Promise<void>;
}

/** Every download of the hive: which jobs want it, what is known of it, and its stream. */
export class Downloads {
  readonly #deps: DownloadsDeps;
  /** Downloads that have not ended, by what was asked for. */
  readonly #underWay = new Map<string, Download>();
  readonly #channels = new Map<DownloadId, Channel>();

  constructor(deps: DownloadsDeps) {
    this.#deps = deps;
    deps.tracker.onEvent((event) => {
      const kind = event.event === 'progress' ? 'state' : isTerminalEvent(event.event) ? 'terminal' : 'keep';
      const channel = this.#channels.get(event.data.download_id);
      channel?.publish({ event: event.event, data: JSON.stringify(event.data) }, kind);
    });
  }

  /** The download that a job shall wait for: the one under way for the same request, or a new one, which starts at once. */
  join(job: Job, request: DownloadRequest): Download {
    const key = `${printModelRef(request.ref)} ${request.sha256 ?? ''}`;
    const underWay = this.#underWay.get(key);
    if (underWay && !underWay.signal.aborted) {
      underWay.join(job);
      return underWay;
    }
    const download = this.#open(job, request);
    this.#underWay.set(key, download);
    download.begin(() =>
      withListener(download, async () => {
        try {
          await this.#deps.run(download, request);
        } finally {
          if (this.#underWay.get(key) === download) this.#underWay.delete(key);
        }
      }),
    );
    return download;
  }

  /** @throws RbeeError DOWNLOAD_NOT_FOUND */
  get(id: DownloadId): DownloadSnapshot {
    return this.#deps.tracker.get(id);
  }

  /** Newest first. */
  list(): DownloadSnapshot[] {
    return this.#deps.tracker.list();
  }

  /** @throws RbeeError DOWNLOAD_NOT_FOUND */
  channel(id: DownloadId): Channel {
    const channel = this.#channels.get(id);
    if (!channel) throw new Error(`${this.get(id).download_id} has no stream`);
    return channel;
  }

  /**
   * What the cancel of a job did to its downloads. One that goes on for another job was not touched and is left out.
   * `stopped` says that the cancel ended the job; otherwise it had ended before.
   */
  receipts(job: Job, stopped: boolean): CancelReceipt[] {
    return job.downloads
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

  #open(job: Job, request: DownloadRequest): Download {
    const { tracker, clock, hub, hiveId } = this.#deps;
    const download = new Download(newDownloadId(clock.now()));
    download.join(job);
    this.#channels.set(download.id, hub.channel({ mode: 'state' }));
    tracker.start({ downloadId: download.id, jobId: job.id, hiveId, modelRef: printModelRef(request.ref) });
    // The tracker's history is bounded, and a stream lives as long as what it tells of.
    for (const id of this.#channels.keys()) if (!tracker.has(id)) this.#channels.delete(id);
    return download;
  }
}
