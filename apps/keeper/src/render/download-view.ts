import { type DownloadStatus, displayNameOf, displayNames, type Notice, type RunningFile } from '@rbee/contract';
import type { WatchEvent } from '../watch-event.ts';
import { printable } from './text.ts';

/** The displayed state of one download. */
export interface DownloadView {
  readonly id: string;
  /** null until the ref is known; the name is the id then. */
  ref: string | null;
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
  /** The file that is being downloaded. */
  file: string | null;
  /** The active files, if it has several. */
  files: readonly RunningFile[];
  /** The bandwidth limit in bytes per second; null if there is none or it is unknown. */
  limit: number | null;
  /** The time of the last progress, in milliseconds since the Unix epoch. */
  movedAt: number;
  /** The time of its last event, likewise. */
  heardAt: number;
  attempt: number;
  /** The last notice that still applies. */
  notice: Notice | null;
}

const ENDED: readonly DownloadView['status'][] = ['complete', 'failed', 'cancelled'];

export function isEnded({ status }: Pick<DownloadView, 'status'>): boolean {
  return ENDED.includes(status);
}

export interface DownloadViews {
  /** Applies an event. Returns the view of its download, or null if it is not about one. */
  apply(event: WatchEvent): DownloadView | null;
  /** All views, in the order of their first events. */
  readonly all: readonly DownloadView[];
  /** Whether any stream has lost its connection. */
  readonly connectionLost: boolean;
  /** The name to show, which no other download here has, with the hive where there may be several hives. */
  nameOf(view: DownloadView): string;
  /** The name for a line that stays, when downloads of other hives may follow. */
  endNameOf(view: DownloadView): string;
  /** The name of the download with that id, or else the id. */
  nameOfId(id: string): string;
  /** Drops the views of downloads that a stream of all downloads did not list after it was opened: they have ended. */
  dropUnseen(): readonly { readonly view: DownloadView; readonly name: string }[];
  /** Drops a view that is no longer shown. */
  forget(id: string): void;
}

export interface DownloadViewsOptions {
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
  /** Whether downloads of any hive may come later. */
  readonly isFleet?: boolean;
}

/** The downloads of a command, built from its events. */
export function createDownloadViews({ now = Date.now, isFleet = false }: DownloadViewsOptions = {}): DownloadViews {
  const views = new Map<string, DownloadView>();
  const lost = new Set<string>();
  /** The names of all refs, until another ref comes. */
  let names: ((ref: string) => string) | null = null;
  /** Downloads with events since the connection was opened. */
  const seen = new Set<string>();
  const viewOf = (id: string, ref: string | null, hive: string | null): DownloadView => {
    const known = views.get(id);
    if (known !== undefined) return known;
    const view = newView(id, ref, hive, now());
    views.set(id, view);
    names = null;
    return view;
  };
  const refs = () => [...views.values()].flatMap(({ ref }) => ref ?? []);
  const nameOfModel = ({ ref, name }: DownloadView): string => {
    if (ref === null) return name;
    names ??= displayNames(refs());
    return printable(names(ref));
  };
  /** A download that has not said where it runs may run anywhere. */
  const hasHives = (): boolean => new Set([...views.values()].map(({ hive }) => hive)).size > 1;
  const withHive = (view: DownloadView, showsHive: boolean): string =>
    showsHive && view.hive !== null ? `${view.hive} ${nameOfModel(view)}` : nameOfModel(view);
  const nameOf = (view: DownloadView): string => withHive(view, hasHives());

  function apply(event: WatchEvent): DownloadView | null {
    switch (event.event) {
      case 'accepted': {
        const { download_id: only, downloads = [] } = event.data;
        for (const { download_id: id, hive_id: hive } of downloads)
          viewOf(id, event.model, hive).limit = event.max_bandwidth ?? null;
        if (only === undefined) return null;
        const view = viewOf(only, event.model, null);
        view.limit = event.max_bandwidth ?? null;
        return view;
      }
      case 'limit':
        viewOf(event.data.download_id, null, null).limit = event.data.max_bandwidth;
        return null;
      case 'progress':
      case 'notice':
      case 'complete':
      case 'error':
      case 'cancelled': {
        const view = viewOf(event.data.download_id, null, null);
        const { bytes, status, ref } = view;
        applyDownloadEvent(view, event);
        if (view.ref !== ref) names = null;
        view.heardAt = now();
        seen.add(view.id);
        if (view.bytes !== bytes || view.status !== status) view.movedAt = now();
        return view;
      }
      case 'connection':
        if (event.data.state === 'lost') lost.add(event.data.id);
        else {
          lost.delete(event.data.id);
          seen.clear();
        }
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
    nameOf,
    endNameOf: (view) => withHive(view, isFleet || hasHives()),
    nameOfId(id) {
      const view = views.get(id);
      return view === undefined ? id : nameOf(view);
    },
    dropUnseen() {
      const unseen = [...views.values()].filter(({ id }) => !seen.has(id));
      const gone = unseen.map((view) => ({ view, name: withHive(view, isFleet || hasHives()) }));
      for (const { id } of unseen) views.delete(id);
      names = null;
      return gone;
    },
    forget(id) {
      views.delete(id);
      names = null;
      seen.delete(id);
      lost.delete(id);
    },
  };
}

function newView(id: string, ref: string | null, hive: string | null, movedAt: number): DownloadView {
  return {
    id,
    ref,
    name: ref === null ? id : nameOfRef(ref),
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
    heardAt: movedAt,
    attempt: 1,
    notice: null,
  };
}

type OfDownload = Extract<WatchEvent, { event: 'progress' | 'notice' | 'complete' | 'error' | 'cancelled' }>;

function applyDownloadEvent(view: DownloadView, event: OfDownload): void {
  switch (event.event) {
    case 'progress': {
      const { data } = event;
      // A notice applies until bytes arrive again or the status changes.
      if (data.bytes > view.bytes || data.status !== view.status) view.notice = null;
      view.ref = data.model_ref;
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

/** The short name of a model; a ref that this version cannot parse is shown as it is. */
export function nameOfRef(ref: string): string {
  return printable(displayNameOf(ref));
}
