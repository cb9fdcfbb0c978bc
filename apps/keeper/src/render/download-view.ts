import {
  type DownloadStatus,
  type Notice,
  parseModelRef,
  RbeeError,
  type RunningFile,
  shortNameOf,
} from '@rbee/contract';
import type { WatchEvent } from '../watch-event.ts';
import { printable } from './text.ts';

/** What is shown of one download. */
export interface DownloadView {
  readonly id: string;
  name: string;
  hive: string | null;
  /** `waiting` until the first event of its stream. */
  status: DownloadStatus | 'waiting';
  bytes: number;
  total: number | null;
  /** Bytes per second. */
  speed: number;
  /** Seconds. */
  eta: number | null;
  filesDone: number;
  filesTotal: number;
  /** The file that is being fetched. */
  file: string | null;
  /** Those under way, where it has several. */
  files: readonly RunningFile[];
  /** Bytes per second that it may take; null where there is no limit, or none is known. */
  limit: number | null;
  /** When its bytes last moved, in milliseconds since the Unix epoch. */
  movedAt: number;
  attempt: number;
  /** The last thing said of it that still holds. */
  notice: Notice | null;
}

const ENDED: readonly DownloadView['status'][] = ['complete', 'failed', 'cancelled'];

export function isEnded({ status }: Pick<DownloadView, 'status'>): boolean {
  return ENDED.includes(status);
}

export interface DownloadViews {
  /** Takes what the event says of a download; the view that changed, or null where it is about none. */
  apply(event: WatchEvent): DownloadView | null;
  /** All, in the order in which they were first heard of. */
  readonly all: readonly DownloadView[];
  /** Whether the connection of any stream is lost at present. */
  readonly connectionLost: boolean;
  /** The name to show: with the hive where there are several. */
  nameOf(view: DownloadView): string;
  /** Drops one that is not shown any more. */
  forget(id: string): void;
}

/** The downloads of a command as its events tell of them. `now` is in milliseconds since the Unix epoch. */
export function createDownloadViews(now: () => number = Date.now): DownloadViews {
  const views = new Map<string, DownloadView>();
  const lost = new Set<string>();
  const viewOf = (id: string, name: string, hive: string | null): DownloadView => {
    const known = views.get(id);
    if (known !== undefined) return known;
    const view = newView(id, name, hive, now());
    views.set(id, view);
    return view;
  };

  function apply(event: WatchEvent): DownloadView | null {
    switch (event.event) {
      case 'accepted': {
        const { download_id: only, downloads = [] } = event.data;
        const name = nameOfRef(event.model);
        for (const { download_id: id, hive_id: hive } of downloads)
          viewOf(id, name, hive).limit = event.max_bandwidth ?? null;
        if (only === undefined) return null;
        const view = viewOf(only, name, null);
        view.limit = event.max_bandwidth ?? null;
        return view;
      }
      case 'limit':
        viewOf(event.data.download_id, event.data.download_id, null).limit = event.data.max_bandwidth;
        return null;
      case 'progress':
      case 'notice':
      case 'complete':
      case 'error':
      case 'cancelled': {
        const view = viewOf(event.data.download_id, event.data.download_id, null);
        const { bytes, status } = view;
        applyDownloadEvent(view, event);
        if (view.bytes !== bytes || view.status !== status) view.movedAt = now();
        return view;
      }
      case 'connection':
        if (event.data.state === 'lost') lost.add(event.data.id);
        else lost.delete(event.data.id);
        return null;
      case 'receipt':
        for (const { download_id: id, state, bytes } of event.data.downloads) {
          const view = views.get(id);
          if (view !== undefined && state === 'stopped') end(view, 'cancelled', { bytes, total: view.total });
        }
        return null;
      default:
        return null;
    }
  }

  return {
    apply,
    get all() {
      return [...views.values()];
    },
    get connectionLost() {
      return lost.size > 0;
    },
    nameOf(view) {
      const hives = new Set([...views.values()].map(({ hive }) => hive).filter((hive) => hive !== null));
      return hives.size > 1 && view.hive !== null ? `${view.hive} ${view.name}` : view.name;
    },
    forget(id) {
      views.delete(id);
      lost.delete(id);
    },
  };
}

function newView(id: string, name: string, hive: string | null, movedAt: number): DownloadView {
  return {
    id,
    name,
    hive,
    status: 'waiting',
    bytes: 0,
    total: null,
    speed: 0,
    eta: null,
    filesDone: 0,
    filesTotal: 0,
    file: null,
    files: [],
    limit: null,
    movedAt,
    attempt: 1,
    notice: null,
  };
}

type OfDownload = Extract<WatchEvent, { event: 'progress' | 'notice' | 'complete' | 'error' | 'cancelled' }>;

function applyDownloadEvent(view: DownloadView, event: OfDownload): void {
  switch (event.event) {
    case 'progress': {
      const { data } = event;
      // A notice holds until the thing it speaks of is over: bytes flow again, or another phase begins.
      if (data.bytes > view.bytes || data.status !== view.status) view.notice = null;
      view.name = nameOfRef(data.model_ref);
      view.hive = printable(data.hive_id);
      view.status = data.status;
      view.bytes = data.bytes;
      view.total = data.total;
      view.speed = data.speed_bps;
      view.eta = data.eta_secs;
      view.filesDone = data.files_done;
      view.filesTotal = data.files_total;
      view.file = data.file === null ? null : printable(data.file);
      view.files = (data.files ?? []).map((file) => ({ ...file, name: printable(file.name) }));
      view.attempt = data.attempt;
      return;
    }
    case 'notice':
      view.notice = event.data.code === 'HIVE_BACK' ? null : event.data;
      return;
    case 'complete':
      end(view, 'complete', event.data);
      view.filesDone = view.filesTotal;
      return;
    case 'error':
      end(view, 'failed', event.data);
      return;
    case 'cancelled':
      end(view, 'cancelled', event.data);
  }
}

function end(view: DownloadView, status: DownloadStatus, data: { bytes: number; total: number | null }): void {
  view.status = status;
  view.bytes = data.bytes;
  view.total = data.total;
  view.speed = 0;
  view.eta = null;
  view.files = [];
  view.notice = null;
}

/** The name a person knows a model by; a ref of a grammar that is newer than this program is shown as it is. */
export function nameOfRef(ref: string): string {
  try {
    return printable(shortNameOf(parseModelRef(ref)));
  } catch (error) {
    if (!(error instanceof RbeeError)) throw error;
    return printable(ref);
  }
}

/** The name of the download with that id; the id where none is known. */
export function nameOfId(views: readonly DownloadView[], id: string): string {
  return views.find((view) => view.id === id)?.name ?? id;
}
