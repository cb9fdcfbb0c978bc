import type { RunningFile } from '@rbee/contract';
import { type DownloadView, type DownloadViews, isEnded } from '../download-view.ts';
import type { BarSubject } from './bar-line.ts';

const FILE_INDENT = '  ';
/** After this time without an event a speed and a time left are no longer shown. */
const STALE_AFTER_MS = 5_000;

/**
 * The content of `count` lines. If every download and the total fit, remaining lines show active files below their
 * downloads. Otherwise the running downloads come first, one line sums up the rest, and the last is the total.
 */
export function barSubjects(views: DownloadViews, count: number, now: number): BarSubject[] {
  const all = views.all.map((view) => withoutStaleSpeed(view, now));
  const named = all.map((view) => ({ ...view, name: withFiles(view, views.nameOf(view)) }));
  if (count <= 0 || all.length === 0) return [];
  if (all.length === 1) return withFileLines(named, count - 1);
  const total = sumOf(`total (${all.length})`, all);
  if (all.length + 1 <= count) return [...withFileLines(named, count - all.length - 1), total];
  if (count < 3) return [total];
  const running = named.filter((view) => !isEnded(view));
  const ended = named.filter(isEnded);
  const byInterest = [...running, ...ended];
  const shown = byInterest.slice(0, count - 2);
  const rest = byInterest.slice(count - 2);
  return [...shown, sumOf(`${rest.length} more`, rest), total];
}

/** A running download has progress every second: a speed that is older is not one any more. */
function withoutStaleSpeed(view: DownloadView, now: number): DownloadView & Pick<BarSubject, 'silentMs'> {
  const silentMs = now - view.heardAt;
  if (view.status !== 'downloading' || view.speed === 0 || silentMs < STALE_AFTER_MS) return view;
  return { ...view, speed: 0, eta: null, silentMs };
}

/** Lines needed to show everything: each download, its active files, and a total for several downloads. */
export function linesWanted({ all }: DownloadViews): number {
  const files = all.reduce((sum, view) => sum + view.files.length, 0);
  return all.length + files + (all.length === 1 ? 0 : 1);
}

/** The first downloads get the lines that are left for files. */
function withFileLines(views: readonly DownloadView[], count: number): BarSubject[] {
  let left = count;
  return views.flatMap((view) => {
    const lines = fileSubjects(view, left);
    left -= lines.length;
    // A wide line would repeat the file name that has its own line.
    return lines.length === 0 ? [view] : [{ ...view, file: null }, ...lines];
  });
}

function withFiles({ filesDone, filesTotal }: DownloadView, name: string): string {
  return filesTotal > 1 ? `${name} (${filesDone}/${filesTotal})` : name;
}

/** Several downloads as one. The total is known if that of each is, or if it has ended. */
export function sumOf(
  name: string,
  views: readonly (Omit<DownloadView, 'heardAt'> & Pick<BarSubject, 'silentMs'>)[],
): BarSubject {
  const running = views.filter(({ status }) => status === 'downloading');
  const silences = running.flatMap(({ silentMs }) => silentMs ?? []);
  const bytes = views.reduce((sum, view) => sum + view.bytes, 0);
  const speed = views.reduce((sum, view) => sum + view.speed, 0);
  const totals = views.map((view) => view.total ?? (isEnded(view) ? view.bytes : null));
  const total = totals.reduce((sum, each) => (sum === null || each === null ? null : sum + each), 0);
  const left = views
    .filter((view) => !isEnded(view))
    .reduce((sum, view) => sum + Math.max(0, (view.total ?? 0) - view.bytes), 0);
  return {
    name,
    status: statusOf(views),
    bytes,
    total,
    speed,
    // A paused download may resume at any time.
    eta:
      total === null || speed === 0 || views.some(({ status }) => status === 'paused') ? null : Math.ceil(left / speed),
    filesDone: 0,
    filesTotal: 0,
    file: null,
    limit: null,
    movedAt: Math.max(0, ...views.map((view) => view.movedAt)),
    ...(silences.length > 0 && silences.length === running.length ? { silentMs: Math.min(...silences) } : {}),
    attempt: 1,
    notice: null,
  };
}

/** The most advanced status of the running downloads, or the worst end. */
function statusOf(views: readonly Pick<DownloadView, 'status'>[]): DownloadView['status'] {
  const order = ['downloading', 'verifying', 'starting', 'queued', 'waiting', 'paused', 'failed', 'cancelled'] as const;
  return order.find((status) => views.some((view) => view.status === status)) ?? 'complete';
}

/** The active files of a download in at most `lines` lines: one each, or the last one for all that do not fit. */
function fileSubjects(view: DownloadView, lines: number): BarSubject[] {
  const { files } = view;
  if (files.length <= lines) return files.map((file) => fileSubject(view, file));
  if (lines <= 0) return [];
  const shown = files.slice(0, lines - 1);
  const rest = files.slice(shown.length);
  const name = `${rest.length} ${shown.length === 0 ? '' : 'more '}files`;
  return [...shown.map((file) => fileSubject(view, file)), fileSubject(view, sumOfFiles(name, rest))];
}

function fileSubject(view: DownloadView, { name, bytes, total, status }: RunningFile): BarSubject {
  // With several files only the speed of the whole download is known.
  const speed = view.files.length === 1 && status === 'downloading' ? view.speed : 0;
  return {
    name: FILE_INDENT + name,
    status,
    bytes,
    total,
    speed,
    eta: total === null || speed === 0 ? null : Math.ceil(Math.max(0, total - bytes) / speed),
    filesDone: 0,
    filesTotal: 1,
    file: null,
    limit: null,
    movedAt: view.movedAt,
    // Problems are shown in the line of the download.
    attempt: 1,
    notice: null,
  };
}

function sumOfFiles(name: string, files: readonly RunningFile[]): RunningFile {
  const isKnown = files.every(({ total }) => total !== null);
  return {
    name,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    total: isKnown ? files.reduce((sum, { total }) => sum + (total ?? 0), 0) : null,
    status: files.some(({ status }) => status === 'downloading') ? 'downloading' : (files[0]?.status ?? 'starting'),
  };
}
