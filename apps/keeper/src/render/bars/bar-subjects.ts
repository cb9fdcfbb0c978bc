import { type DownloadView, type DownloadViews, isEnded } from '../download-view.ts';
import { fileSubjects } from '../file-subjects.ts';
import type { BarSubject } from './bar-line.ts';

/**
 * What `count` lines show: every download and their total where there is room for all, and in what room is left then
 * the files under way, each below its download; otherwise those that run, as many as fit, one line for the rest, and the
 * total.
 */
export function barSubjects(views: DownloadViews, count: number): BarSubject[] {
  const { all } = views;
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

/** Lines that would show everything: for each download and its files under way, and for the total of several. */
export function linesWanted({ all }: DownloadViews): number {
  const files = all.reduce((sum, view) => sum + view.files.length, 0);
  return all.length + files + (all.length === 1 ? 0 : 1);
}

/** The first downloads take what room for files there is. */
function withFileLines(views: readonly DownloadView[], room: number): BarSubject[] {
  let left = room;
  return views.flatMap((view) => {
    const lines = fileSubjects(view, left);
    left -= lines.length;
    // Its files say what else a wide line would tell of them.
    return lines.length === 0 ? [view] : [{ ...view, file: null }, ...lines];
  });
}

function withFiles({ filesDone, filesTotal }: DownloadView, name: string): string {
  return filesTotal > 1 ? `${name} (${filesDone}/${filesTotal})` : name;
}

/** Several downloads as one. Their sum is known where every total is. */
export function sumOf(name: string, views: readonly DownloadView[]): BarSubject {
  const bytes = views.reduce((sum, view) => sum + view.bytes, 0);
  const speed = views.reduce((sum, view) => sum + view.speed, 0);
  const total = views.every((view) => view.total !== null)
    ? views.reduce((sum, view) => sum + (view.total ?? 0), 0)
    : null;
  const left = views
    .filter((view) => !isEnded(view))
    .reduce((sum, view) => sum + Math.max(0, (view.total ?? 0) - view.bytes), 0);
  return {
    name,
    status: statusOf(views),
    bytes,
    total,
    speed,
    // Nobody knows when a paused one goes on.
    eta:
      total === null || speed === 0 || views.some(({ status }) => status === 'paused') ? null : Math.ceil(left / speed),
    filesDone: 0,
    filesTotal: 0,
    file: null,
    limit: null,
    movedAt: Math.max(0, ...views.map((view) => view.movedAt)),
    attempt: 1,
    notice: null,
  };
}

/** What they do together: the furthest thing that one of them still does, or how the worst of them ended. */
function statusOf(views: readonly DownloadView[]): DownloadView['status'] {
  const order = ['downloading', 'verifying', 'starting', 'queued', 'waiting', 'paused', 'failed', 'cancelled'] as const;
  return order.find((status) => views.some((view) => view.status === status)) ?? 'complete';
}
