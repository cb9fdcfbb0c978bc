import { formatBytes, formatSeconds, formatSpeed } from '@rbee/contract';
import type { DownloadView } from '../download-view.ts';
import { type Colour, type Paint, plain } from '../style.ts';
import { pad, shorten, textWidth } from '../text.ts';

const MIN_NAME = 12;
const MAX_NAME = 48;
const MIN_BAR = 10;
const MAX_BAR = 40;
/** With fewer columns left at its end a line says no more. */
const MIN_BESIDE = 16;
/** Columns of a line right of name and bar, by what they show. */
const WIDTHS = { percent: 6, bytes: 19, speed: 10, eta: 6 } as const;
type ColumnName = keyof typeof WIDTHS;
/** What is shown, from the widest line to the narrowest. */
const COLUMN_SETS: readonly (readonly ColumnName[])[] = [
  ['percent', 'bytes', 'speed', 'eta'],
  ['percent', 'bytes', 'speed'],
  ['percent', 'speed'],
  ['percent'],
  [],
];

export interface BarLineOptions {
  /** Columns that the line may take. */
  readonly width: number;
  /** Columns of the widest name among the lines that stand together, so that they align. */
  readonly nameWidth: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  readonly paint?: Paint;
  /** Whether no event can come at present. */
  readonly connectionLost?: boolean;
}

/** What one line shows: a download, the sum of several, or a file of one. */
export type BarSubject = Omit<DownloadView, 'id' | 'hive' | 'files'>;

/**
 * One line of at most `width` columns: name, bar, percent, bytes, and then either speed and time left or, where
 * nothing flows, why. What does not fit is left out: the bar first, then the time left, the bytes and the speed.
 */
export function barLine(subject: BarSubject, options: BarLineOptions): string {
  const { paint = plain } = options;
  const layout = layoutOf(options.width, options.nameWidth);
  const state = stateOf(subject, options);
  const name = pad(shorten(subject.name, layout.name), layout.name);
  const bar = layout.bar === 0 ? [] : [drawBar(subject, layout.bar, paint)];
  return [name, ...bar, ...cellsOf(subject, state, layout, paint)].join(' ').trimEnd();
}

interface Layout {
  readonly name: number;
  /** 0 where there is no room for one. */
  readonly bar: number;
  readonly columns: readonly ColumnName[];
  /** Columns that are left at the end of the line. */
  readonly free: number;
}

/** Depends on nothing but widths, so that all lines of a screen are laid out alike. */
function layoutOf(width: number, nameWidth: number): Layout {
  const columns = COLUMN_SETS.find((names) => MIN_NAME + spanOf(names) <= width) ?? [];
  const rest = Math.max(0, width - spanOf(columns));
  const wanted = Math.min(MAX_NAME, Math.max(MIN_NAME, nameWidth));
  const hasBar = rest >= MIN_NAME + 1 + MIN_BAR;
  const bar = hasBar ? Math.min(MAX_BAR, Math.max(MIN_BAR, rest - 1 - wanted)) : 0;
  const name = Math.min(wanted, rest - (hasBar ? bar + 1 : 0));
  return { name, bar, columns, free: rest - name - (hasBar ? bar + 1 : 0) };
}

/** Columns that these take, with a space before each. */
function spanOf(names: readonly ColumnName[]): number {
  return names.reduce((sum, name) => sum + 1 + WIDTHS[name], 0);
}

function cellsOf(subject: BarSubject, state: State | null, { columns, free }: Layout, paint: Paint): string[] {
  const texts: Readonly<Record<ColumnName, string>> = {
    percent: percentOf(subject),
    bytes: bytesOf(subject),
    speed: subject.speed > 0 ? formatSpeed(subject.speed) : '',
    eta: subject.eta === null ? '' : formatSeconds(subject.eta),
  };
  const cell = (name: ColumnName) => pad(shorten(texts[name], WIDTHS[name]), WIDTHS[name], 'right');
  if (state === null) return [...columns.map(cell), ...besideOf(subject, free - 1, paint)];
  // A state stands where speed and time left would; one that is too long for that also takes the place of the bytes.
  const roomAfter = (kept: readonly ColumnName[]) => spanOf(columns) - spanOf(kept) - 1 + free;
  const withBytes = columns.filter((name) => name === 'percent' || name === 'bytes');
  const withoutBytes = columns.filter((name) => name === 'percent');
  const kept = textWidth(state.text) <= roomAfter(withBytes) ? withBytes : withoutBytes;
  return [...kept.map(cell), paint(state.colour, shorten(state.text, Math.max(0, roomAfter(kept))))];
}

/** What explains a line that moves, where the terminal is wide enough for it. */
function besideOf({ limit, file, filesTotal }: BarSubject, room: number, paint: Paint): string[] {
  const texts = [limit === null ? '' : `limited to ${formatSpeed(limit)}`, filesTotal > 1 && file !== null ? file : ''];
  const text = texts.filter((each) => each !== '').join(', ');
  return text === '' || room < MIN_BESIDE ? [] : [paint('dim', shorten(text, room))];
}

const shareOf = ({ bytes, total, status }: BarSubject): number | null => {
  if (total === null) return null;
  if (total === 0) return status === 'complete' ? 1 : 0;
  return Math.min(1, bytes / total);
};

function percentOf(subject: BarSubject): string {
  const share = shareOf(subject);
  // Rounded down: 100 % means that every byte is there.
  return share === null ? '' : `${(Math.floor(share * 1000) / 10).toFixed(1)}%`;
}

function bytesOf({ bytes, total, status }: BarSubject): string {
  if (status === 'waiting' || (total === null && bytes === 0)) return '';
  return total === null ? formatBytes(bytes) : `${formatBytes(bytes)}/${formatBytes(total)}`;
}

function drawBar(subject: BarSubject, width: number, paint: Paint): string {
  const filled = Math.floor((shareOf(subject) ?? 0) * width);
  const colour: Colour = subject.status === 'failed' ? 'red' : subject.status === 'complete' ? 'green' : 'cyan';
  return paint(colour, '█'.repeat(filled)) + paint('dim', '░'.repeat(width - filled));
}

interface State {
  readonly text: string;
  readonly colour: Colour;
}

/** Why nothing flows, or how it ended; null while bytes come. */
function stateOf(subject: BarSubject, { now, connectionLost = false }: BarLineOptions): State | null {
  const { status, notice } = subject;
  if (status === 'complete') return { text: 'done', colour: 'green' };
  if (status === 'failed') return { text: 'failed', colour: 'red' };
  if (status === 'cancelled') return { text: 'cancelled', colour: 'yellow' };
  if (connectionLost) return { text: 'connection lost, reconnecting', colour: 'yellow' };
  // A retry or a stall that was told before the pause is over; that the hive is gone is not.
  if (status === 'paused' && notice?.code !== 'HIVE_LOST') return { text: 'paused', colour: 'yellow' };
  if (notice !== null) {
    const text = noticeText(notice, subject, now);
    if (text !== null) return { text, colour: 'yellow' };
  }
  if (status !== 'downloading') return { text: status === 'queued' ? 'waiting for a slot' : status, colour: 'dim' };
  if (subject.speed === 0 && subject.attempt > 1) return { text: `attempt ${subject.attempt}`, colour: 'yellow' };
  return null;
}

function noticeText(notice: NonNullable<BarSubject['notice']>, { movedAt }: BarSubject, now: number): string | null {
  const { attempt, max_attempts: most, next_retry_at: next } = notice;
  const which = attempt === undefined ? '' : `attempt ${attempt}${most === undefined ? '' : `/${most}`}`;
  switch (notice.code) {
    case 'RETRY': {
      const wait = next === undefined ? 0 : Date.parse(next) - now;
      return wait > 0 ? `${which || 'again'} in ${formatSeconds(Math.ceil(wait / 1_000))}` : which || 'trying again';
    }
    case 'STALL': {
      const since = `stalled ${formatSeconds((now - movedAt) / 1_000)}`;
      return which === '' ? since : `${since}, ${which}`;
    }
    case 'RESTART':
      return 'starting again';
    case 'HIVE_LOST':
      return 'hive cannot be reached';
    case 'CANCEL_PENDING':
      return 'cancelled when the hive is back';
    // Bytes flow, or will at once: there is nothing to explain. Codes of a newer hive are told by their message alone.
    default:
      return null;
  }
}
