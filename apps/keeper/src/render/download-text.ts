import { type Download, type DownloadPatch, formatBytes, formatSeconds, formatSpeed } from '@rbee/contract';
import type { ChangedDownload } from '../operations/change-download.ts';
import type { Removed } from '../results.ts';
import { countOf, downloadTable } from './list-text.ts';
import { type Row, rowsText } from './table.ts';
import type { TextOptions } from './text-options.ts';

/** The details of one download, a line each; unknown values are left out. */
export function downloadText(download: Download, { width }: TextOptions): string {
  return rowsText(rowsOf(download), width);
}

function rowsOf(download: Download): Row[] {
  const { error, percent, speed_bps: speed, eta_secs: eta, files_total: files } = download;
  const share = percent === null ? '' : ` (${percent.toFixed(1)}%)`;
  return [
    ['download', download.download_id],
    ['model', download.model_ref],
    ['status', download.status],
    ['done', `${sizeText(download)}${share}`],
    ['files', files > 1 ? `${download.files_done} of ${files}` : null],
    ['speed', speed > 0 ? `${formatSpeed(speed)}${eta === null ? '' : `, ${formatSeconds(eta)} left`}` : null],
    ['path', download.path],
    ['sha256', download.sha256],
    ['error', error && `${error.message} (${error.code})`],
    ['hint', error?.hint ?? null],
    ['partial', download.partial],
    ['hive', download.hive_id],
    ['job', download.job_id],
    ['retry of', download.retry_of],
    ['limit', download.max_bandwidth === null ? null : formatSpeed(download.max_bandwidth)],
    ['priority', download.priority === 0 ? null : String(download.priority)],
    ['reused', bytesOrNull(download.bytes_reused)],
    ['wasted', bytesOrNull(download.bytes_wasted)],
    ['created', download.created_at],
    ['started', download.started_at],
    ['ended', download.ended_at],
  ];
}

const bytesOrNull = (bytes: number): string | null => (bytes === 0 ? null : formatBytes(bytes));

/** The state of a download after a change: of its limit or priority if there is a patch, or else of its status. */
export function changeText({ download, wasSo }: ChangedDownload, patch: DownloadPatch | null): string {
  const { download_id: id, status, max_bandwidth: limit, priority } = download;
  if (patch?.priority !== undefined) return `${id}: priority ${priority}\n`;
  if (patch !== null) return `${id}: ${limit === null ? 'unlimited' : `limited to ${formatSpeed(limit)}`}\n`;
  return `${id}: ${wasSo ? 'already ' : ''}${status}, ${sizeText(download)}\n`;
}

/** More of them are only counted. */
const MAX_NAMED = 10;

/** What goes from the history: each where there are few, and by status. Files stay. */
export function clearedText(ended: readonly Download[], options: TextOptions): string {
  const named = ended.length <= MAX_NAMED ? `${downloadTable(ended, options)}\n` : '';
  const counts = [...Map.groupBy(ended, ({ status }) => status)].map(([status, those]) => `${those.length} ${status}`);
  return `${named}${countOf(ended.length, 'download')} (${counts.join(', ')}); files are not removed\n`;
}

export function clearText({ removed }: Removed): string {
  const what = removed === 1 ? '1 download' : `${removed === 0 ? 'no' : removed} downloads`;
  return `removed ${what} from the history\n`;
}

/** Progress in bytes: `412.5 MB of 637.8 MB`. */
export function sizeText({ bytes, total }: { readonly bytes: number; readonly total: number | null }): string {
  return total === null ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(total)}`;
}
