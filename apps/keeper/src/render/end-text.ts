import {
  type CancelledDownload,
  type CancelledJob,
  type CancelReceipt,
  formatBytes,
  formatSeconds,
} from '@rbee/contract';
import type { Failure } from '../errors/failure.ts';
import type { WatchEvent } from '../watch-event.ts';
import type { DownloadView } from './download-view.ts';
import type { Paint } from './style.ts';
import { printable, sentence } from './text.ts';

const SAME_COMMAND = 'run the same command again to resume';

/** A failure as one paragraph: what failed and what to do next. */
export function failureText(failure: Failure, paint: Paint): string {
  const queenUrl = failure.details?.queen_url;
  const id = failure.details?.request_id;
  const request = typeof id === 'string' ? `, request ${printable(id)}` : '';
  // Only a daemon that the keeper started itself says several lines. A server could make up lines of others.
  const lines = failure.code === 'DAEMON_FAILED' ? failure.message.split(/\r?\n/) : [failure.message];
  const message = lines.map(sentence).join('\n');
  const source =
    typeof queenUrl === 'string' ? ` (${printable(failure.code)}, from ${printable(queenUrl)}${request})` : '';
  const hint = failure.hint === undefined ? '' : `\n${paint('dim', 'hint:')} ${sentence(failure.hint)}`;
  return `${paint('red', 'error:')} ${message}${source}${hint}\n`;
}

/**
 * How a download ended, as lines for people; null for an event that ends none. `name` is the download's; null shows its
 * id instead.
 */
export function endText(event: WatchEvent, name: string | null, paint: Paint): string | null {
  switch (event.event) {
    case 'complete': {
      const { bytes, duration_secs: secs, download_id: id } = event.data;
      return `${name ?? id}: ${paint('green', 'complete')}, ${formatBytes(bytes)} in ${formatSeconds(secs)}\n`;
    }
    case 'error': {
      const { download_id: id, error, code, hint, bytes, retryable } = event.data;
      const kept = bytes > 0 ? `; ${formatBytes(bytes)} kept` : '';
      const next = hint ?? (retryable ? SAME_COMMAND : undefined);
      const advice = next === undefined ? '' : `\n${paint('dim', 'hint:')} ${sentence(next)}`;
      return `${paint('red', 'error:')} ${name ?? id}: ${sentence(error)} (${printable(code)}${kept})${advice}\n`;
    }
    case 'cancelled': {
      const { download_id: id, bytes, partial } = event.data;
      return `${name ?? id}: ${paint('yellow', 'cancelled')}, ${keptText(partial, bytes, SAME_COMMAND)}\n`;
    }
    default:
      return null;
  }
}

/** What a cancel did, a line per download. `nameOf` maps an id to the name to show, `next` says how to resume it. */
export function receiptText(
  receipt: CancelledJob,
  nameOf: (id: string) => string,
  next: (id: string) => string = () => SAME_COMMAND,
): string {
  return receipt.downloads
    .map((download) => {
      const { download_id: id } = download;
      return `${nameOf(id)}: ${cancelText(download, next(id))}\n`;
    })
    .join('');
}

/** The downloads that a cancel leaves running, a line each. */
export function continuingText(ids: readonly string[], nameOf: (id: string) => string): string {
  return ids.map((id) => `${nameOf(id)}: another job still wants it; it continues\n`).join('');
}

/** What a cancel did, for a command that followed none of its downloads. */
export function cancelledText(receipt: CancelledJob | CancelledDownload): string {
  const next = (id: string) => `resume with "rbee-keeper download retry ${id}"`;
  if ('jobs' in receipt) return downloadCancelText(receipt, next);
  if (receipt.downloads.length === 0) return `${receipt.job_id}: ${receipt.status}\n`;
  return receiptText(receipt, (id) => id, next);
}

/** The same for a download, with the number of jobs that waited for it. */
function downloadCancelText(receipt: CancelledDownload, next: (id: string) => string): string {
  const { download_id: id, status, jobs, downloads } = receipt;
  return downloads
    .map((download) => {
      if (download.state === 'unreachable') return cancelText(download, next(id));
      const what = jobs === 0 ? `already ${status}` : `${status} (${jobs === 1 ? '1 job' : `${jobs} jobs`})`;
      return status === 'cancelled' || download.partial === 'discarded'
        ? `${what}, ${keptText(download.partial, download.bytes, next(id))}`
        : what;
    })
    .map((text) => `${id}: ${text}\n`)
    .join('');
}

function cancelText({ state, hive_id: hive, partial, bytes }: CancelReceipt, next: string): string {
  if (state === 'ended') return 'already finished';
  if (state === 'unreachable')
    return `hive ${printable(hive)} is unreachable; the download is cancelled when it is back`;
  return `cancelled, ${keptText(partial, bytes, next)}`;
}

/**
 * A cancel is reported twice, in either order: by its receipt and by the download's own last event. This remembers which
 * downloads were reported, so that each is shown once.
 */
export function createReportedEnds() {
  const reported = new Set<string>();
  return {
    /** Whether this is the first report. */
    isNew(id: string): boolean {
      const { size } = reported;
      return reported.add(id).size > size;
    },
    forget: (id: string) => void reported.delete(id),
    /** The receipt without the downloads that were reported before. */
    newOf(receipt: CancelledJob): CancelledJob {
      return { ...receipt, downloads: receipt.downloads.filter(({ download_id: id }) => this.isNew(id)) };
    },
  };
}

function keptText(partial: 'kept' | 'discarded' | null, bytes: number, next: string): string {
  if (partial === 'discarded') return 'partial files deleted';
  if (partial === null || bytes === 0) return 'nothing to keep';
  return `${formatBytes(bytes)} kept; ${next}`;
}

/** For a download that ended while nobody listened; empty if it was never shown. */
export function goneText({ id, status }: DownloadView, name: string): string {
  if (status === 'waiting') return '';
  return `${name}: ended while the connection was lost; see "rbee-keeper download show ${id}"\n`;
}
