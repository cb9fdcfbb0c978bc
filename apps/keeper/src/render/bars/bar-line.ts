import { formatBytes, formatSeconds, formatSpeed, percentOf } from '@rbee/contract';
import type { DownloadView } from '../download-view.ts';
import { type Colour, type Paint, plain } from '../style.ts';
import { pad, shorten, textWidth } from '../text.ts';

const MIN_NAME = 12;
const MAX_NAME = 48;
const MIN_BAR = 10;
const MAX_BAR = 40;
/** The least columns at the end of a line for an explanation. */
const MIN_EXPLANATION = 16;
/** Widths of the columns right of name and bar. */
const WIDTHS = { percent: 6, bytes: 19, speed: 10, eta: 6 } as const;
type ColumnName = keyof typeof WIDTHS;
/** The columns shown, from the widest line to the narrowest. */
const COLUMN_SETS: readonly (readonly ColumnName[])[] = [
  ['percent', 'bytes', 'speed', 'eta'],
  ['percent', 'bytes', 'speed'],
  ['percent', 'speed'],
  ['percent'],
  [],
];

export interface BarLineOptions {
  /** Columns available to the line. */
  readonly width: number;
  /** The widest name of all lines, so that they align. */
  readonly nameWidth: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  readonly paint?: Paint;
  /** Whether the connection that events come over is lost. */
  readonly connectionLost?: boolean;
}

/** The content of one line: a download, the sum of several, or one file. */
export interface BarSubject extends Omit<DownloadView, 'id' | 'ref' | 'hive' | 'files' | 'heardAt'> {
  /** How long nothing was heard of it although it is running, in milliseconds. */
  readonly silentMs?: number;
}

/**
 * One line of at most `width` columns: name, bar, percent, bytes, then speed and time left, or the reason why no bytes
 * arrive. A narrow line drops the bar first, then the time left, the bytes and the speed.
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
  /** 0 if it does not fit. */
  readonly bar: number;
  readonly columns: readonly ColumnName[];
  /** Columns left at the end of the line. */
  readonly free: number;
}

/** Depends on widths only, so that all lines have the same layout. */
function layoutOf(width: number, nameWidth: number): Layout {
  const columns = COLUMN_SETS.find((names) => MIN_NAME + spanOf(names) <= width) ?? [];
  const rest = Math.max(0, width - spanOf(columns));
  const wanted = Math.min(MAX_NAME, Math.max(MIN_NAME, nameWidth));
  const hasBar = rest >= MIN_NAME + 1 + MIN_BAR;
  const bar = hasBar ? Math.min(MAX_BAR, Math.max(MIN_BAR, rest - 1 - wanted)) : 0;
  const name = Math.min(wanted, rest - (hasBar ? bar + 1 : 0));
  return { name, bar, columns, free: rest - name - (hasBar ? bar + 1 : 0) };
}

/** The width of these columns, with a space before each. */
function spanOf(names: readonly ColumnName[]): number {
  return names.reduce((sum, name) => sum + 1 + WIDTHS[name], 0);
}

function cellsOf(subject: BarSubject, state: State | null, { columns, free }: Layout, paint: Paint): string[] {
  const texts: Readonly<Record<ColumnName, string>> = {
    percent: percentText(subject),
    bytes: bytesOf(subject),
    speed: subject.speed > 0 ? formatSpeed(subject.speed) : '',
    eta: subject.eta === null ? '' : formatSeconds(subject.eta),
  };
  const cell = (name: ColumnName) => pad(shorten(texts[name], WIDTHS[name]), WIDTHS[name], 'right');
  if (state === null) return [...columns.map(cell), ...explanationOf(subject, free - 1, paint)];
  // A state replaces speed and time left; one that is too long replaces the bytes too.
  const widthAfter = (kept: readonly ColumnName[]) => spanOf(columns) - spanOf(kept) - 1 + free;
  const withBytes = columns.filter((name) => name === 'percent' || name === 'bytes');
  const withoutBytes = columns.filter((name) => name === 'percent');
  const kept = textWidth(state.text) <= widthAfter(withBytes) ? withBytes : withoutBytes;
  return [...kept.map(cell), paint(state.colour, shorten(state.text, Math.max(0, widthAfter(kept))))];
}

/** Limit and current file of a running download, if the terminal is wide enough. */
function explanationOf({ limit, file, filesTotal }: BarSubject, width: number, paint: Paint): string[] {
  const texts = [limit === null ? '' : `limited to ${formatSpeed(limit)}`, filesTotal > 1 && file !== null ? file : ''];
  const text = texts.filter((each) => each !== '').join(', ');
  return text === '' || width < MIN_EXPLANATION ? [] : [paint('dim', shorten(text, width))];
}

function percentText({ bytes, total }: BarSubject): string {
  const percent = percentOf(bytes, total);
  return percent === null ? '' : `${percent.toFixed(1)}%`;
}

function bytesOf({ bytes, total, status }: BarSubject): string {
  if (status === 'waiting' || (total === null && bytes === 0)) return '';
  return total === null ? formatBytes(bytes) : `${formatBytes(bytes)}/${formatBytes(total)}`;
}

function drawBar({ bytes, total, status }: BarSubject, width: number, paint: Paint): string {
  const filled = Math.floor(((percentOf(bytes, total) ?? 0) / 100) * width);
  const colour: Colour = status === 'failed' ? 'red' : status === 'complete' ? 'green' : 'cyan';
  return paint(colour, '█'.repeat(filled)) + paint('dim', '░'.repeat(width - filled));
}

interface State {
  readonly text: string;
  readonly colour: Colour;
}

/** Why no bytes arrive, or how the download ended; null while bytes arrive. */
function stateOf(subject: BarSubject, { now, connectionLost = false }: BarLineOptions): State | null {
  const { status, notice } = subject;
  if (status === 'complete') return { text: 'done', colour: 'green' };
  if (status === 'failed') return { text: 'failed', colour: 'red' };
  if (status === 'cancelled') return { text: 'cancelled', colour: 'yellow' };
  if (connectionLost) return { text: 'connection lost, reconnecting', colour: 'yellow' };
  // A pause ends a retry or a stall, but not the loss of the hive.
  if (status === 'paused' && notice?.code !== 'HIVE_LOST') return { text: 'paused', colour: 'yellow' };
  if (notice !== null) {
    const text = noticeText(notice, subject, now);
    if (text !== null) return { text, colour: 'yellow' };
  }
  if (subject.silentMs !== undefined)
    return { text: `no news for ${formatSeconds(Math.floor(subject.silentMs / 1_000))}`, colour: 'yellow' };
  if (status !== 'downloading') return { text: status, colour: 'dim' };
  if (subject.speed === 0 && subject.attempt > 1) return { text: `attempt ${subject.attempt}`, colour: 'yellow' };
  return null;
}

function noticeText(notice: NonNullable<BarSubject['notice']>, { movedAt }: BarSubject, now: number): string | null {
  const { attempt, max_attempts: most, next_retry_at: next } = notice;
  const which = attempt === undefined ? '' : `attempt ${attempt}${most === undefined ? '' : `/${most}`}`;
  // A throttle that stops all bytes is a wait like any other.
  const code = notice.code === 'THROTTLE' && next !== undefined ? 'RETRY' : notice.code;
  switch (code) {
    case 'RETRY': {
      const wait = next === undefined ? 0 : Date.parse(next) - now;
      return wait > 0 ? `${which || 'retry'} in ${formatSeconds(Math.ceil(wait / 1_000))}` : which || 'retrying';
    }
    case 'STALL': {
      const since = `stalled ${formatSeconds((now - movedAt) / 1_000)}`;
      return which === '' ? since : `${since}, ${which}`;
    }
    case 'RESTART':
      return 'restarting';
    case 'HIVE_LOST':
      return 'hive unreachable';
    case 'CANCEL_PENDING':
      return 'cancels when the hive is back';
    // Other notices stop no bytes. A notice of a newer hive shows its message only.
    default:
      return null;
  }
}
