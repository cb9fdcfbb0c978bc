import { type CancelledJob, type CancelReceipt, formatBytes, formatSeconds } from '@rbee/contract';
import type { WatchEvent } from '../watch-event.ts';
import type { Paint } from './style.ts';
import { printable } from './text.ts';

const SAME_COMMAND = 'run the same command again to go on';

/**
 * How a download ended, for people: lines with their line feeds; null for an event that ends none.
 * `name` is the download's; null where it is not known, then its id stands for it.
 */
export function endText(event: WatchEvent, name: string | null, paint: Paint): string | null {
  switch (event.event) {
    case 'complete': {
      const { bytes, duration_secs: secs, download_id: id } = event.data;
      return `${name ?? id}: ${paint('green', 'complete')}, ${formatBytes(bytes)} in ${formatSeconds(secs)}\n`;
    }
    case 'error': {
      const { download_id: id, error, code, hint, bytes, retryable } = event.data;
      const kept = bytes > 0 ? `; ${formatBytes(bytes)} are kept` : '';
      const next = hint ?? (retryable ? SAME_COMMAND : undefined);
      const advice = next === undefined ? '' : `\n${paint('dim', 'hint:')} ${printable(next)}`;
      return `${paint('red', 'error:')} ${name ?? id}: ${printable(error)} (${code}${kept})${advice}\n`;
    }
    case 'cancelled': {
      const { download_id: id, bytes, partial } = event.data;
      return `${name ?? id}: ${paint('yellow', 'cancelled')}, ${keptText(partial, bytes, SAME_COMMAND)}\n`;
    }
    default:
      return null;
  }
}

/** What a cancel did, a line for each download. `nameOf` gives the name to show for an id, `next` how to go on. */
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

function cancelText({ state, hive_id: hive, partial, bytes }: CancelReceipt, next: string): string {
  if (state === 'ended') return 'had ended before';
  if (state === 'unreachable') return `the hive ${printable(hive)} cannot be reached, so it may go on`;
  return `cancelled, ${keptText(partial, bytes, next)}`;
}

/**
 * A cancel is told twice, by its receipt and by the download's own last event, in either order. This remembers whose
 * end has been told.
 */
export function createTold() {
  const told = new Set<string>();
  return {
    /** Whether it is told now for the first time. */
    isNew(id: string): boolean {
      const { size } = told;
      return told.add(id).size > size;
    },
    forget: (id: string) => void told.delete(id),
    /** The receipt of those that are told now for the first time. */
    newOf(receipt: CancelledJob): CancelledJob {
      return { ...receipt, downloads: receipt.downloads.filter(({ download_id: id }) => this.isNew(id)) };
    },
  };
}

function keptText(partial: 'kept' | 'discarded' | null, bytes: number, next: string): string {
  if (partial === 'discarded') return 'nothing was kept';
  if (partial === null || bytes === 0) return 'nothing was there to keep';
  return `kept ${formatBytes(bytes)}; ${next}`;
}
