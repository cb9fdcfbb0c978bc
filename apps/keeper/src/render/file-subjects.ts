import type { RunningFile } from '@rbee/contract';
import type { BarSubject } from './bars/bar-line.ts';
import type { DownloadView } from './download-view.ts';

const INDENT = '  ';

/** The files of a download that are under way, in at most `room` lines: one each, or the last one for all the rest. */
export function fileSubjects(view: DownloadView, room: number): BarSubject[] {
  const { files } = view;
  if (files.length <= room) return files.map((file) => subjectOf(view, file));
  if (room <= 0) return [];
  const shown = files.slice(0, room - 1);
  const rest = files.slice(shown.length);
  const name = `${rest.length} ${shown.length === 0 ? '' : 'more '}files`;
  return [...shown.map((file) => subjectOf(view, file)), subjectOf(view, sumOf(name, rest))];
}

function subjectOf(view: DownloadView, { name, bytes, total, status }: RunningFile): BarSubject {
  // Of several at once only the speed of all is known.
  const speed = view.files.length === 1 && status === 'downloading' ? view.speed : 0;
  return {
    name: INDENT + name,
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
    // What went wrong is told in the line of the download.
    attempt: 1,
    notice: null,
  };
}

function sumOf(name: string, files: readonly RunningFile[]): RunningFile {
  const isKnown = files.every(({ total }) => total !== null);
  return {
    name,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    total: isKnown ? files.reduce((sum, { total }) => sum + (total ?? 0), 0) : null,
    status: files.some(({ status }) => status === 'downloading') ? 'downloading' : (files[0]?.status ?? 'starting'),
  };
}
