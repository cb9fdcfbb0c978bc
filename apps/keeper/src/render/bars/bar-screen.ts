import { clearScreenDown, moveCursor } from 'node:readline';
import { MultiBar, type Options } from 'cli-progress';
import type { TextOutput } from '../../output.ts';
import { textWidth } from '../text.ts';

const MAX_REDRAWS_PER_SECOND = 10;
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;
/** Rows left for the text above and the line of the cursor. */
const SPARE_ROWS = 2;
/** Printed lines overwrite bars, and cli-progress clears only the first of them. */
const CLEAR_REST = '\u001b[K';

/** Columns of the terminal, or a default if unknown. */
export function columnsOf({ columns }: Pick<TextOutput, 'columns'>): number {
  return columns || DEFAULT_COLUMNS;
}

/** A block of lines at the bottom of the terminal. */
export interface BarScreen {
  /** Grows to that many lines if they fit; shrinks only with the terminal. */
  grow(count: number): void;
  /** Prints lines above the bars. */
  print(lines: readonly string[]): void;
  /** Leaves the last state as plain lines and restores the terminal, until `resume`. */
  suspend(): void;
  resume(): void;
  /** As `suspend`, for good. */
  close(): void;
}

/** A block of lines redrawn in place by cli-progress; `lines` returns their content. */
export function createBarScreen(terminal: TextOutput, lines: (count: number) => string[]): BarScreen {
  const { stream } = terminal;
  const options: Options = {
    stream,
    fps: MAX_REDRAWS_PER_SECOND,
    hideCursor: true,
    linewrap: false,
    // The program handles signals and always closes the screen.
    gracefulExit: false,
    forceRedraw: true,
    // The last state is written as plain lines: cli-progress counts colour codes and would cut it.
    clearOnComplete: true,
  };
  let multi: MultiBar | null = null;
  let shown = 0;
  let wanted = 0;
  let drawn: string[] = [];
  let isResized = false;
  const above: string[] = [];
  const room = () => Math.max(1, (terminal.rows || DEFAULT_ROWS) - SPARE_ROWS);
  const content = (count: number) => lines(count).map(terminal.shown);
  const printAbove = () => {
    for (const line of above.splice(0)) terminal.write(`${line}\n`);
  };

  function draw(): void {
    multi ??= newBars();
    for (const count = Math.min(wanted, room()); shown < count; shown += 1) {
      const index = shown;
      multi.create(1, 0, {}, { format: () => drawn[index] ?? '' });
    }
  }

  function newBars(): MultiBar {
    const bars = new MultiBar(options);
    bars.on('redraw-pre', () => {
      if (isResized) clearScreenDown(stream);
      isResized = false;
      for (const line of above.splice(0)) stream.write(`${terminal.shown(line)}${CLEAR_REST}\n`);
      drawn = content(shown);
    });
    return bars;
  }

  /** Erases the bars and restores the terminal. */
  function erase(): void {
    multi?.stop();
    multi = null;
    shown = 0;
  }

  const onResize = () => {
    if (multi === null) return;
    isResized = true;
    const broken = extraRows(drawn, columnsOf(terminal));
    if (broken > 0) moveCursor(stream, 0, -broken);
    // More lines than rows would scroll at every redraw.
    if (shown > room()) erase();
    draw();
    multi?.update();
  };
  stream.on('resize', onResize);

  function suspend(): void {
    const count = shown;
    erase();
    printAbove();
    for (const line of content(count)) stream.write(`${line}\n`);
  }

  return {
    grow(count) {
      wanted = Math.max(wanted, count);
      draw();
    },
    print: (text) => void above.push(...text),
    suspend,
    resume: draw,
    close() {
      stream.off('resize', onResize);
      suspend();
    },
  };
}

/**
 * Extra rows that the lines take after the terminal has become narrower, since most terminals wrap them. The last line
 * has the cursor, where terminals differ, so it is not counted. One row too few leaves a trace; one too many erases a
 * line above.
 */
function extraRows(lines: readonly string[], columns: number): number {
  return lines.slice(0, -1).reduce((sum, line) => sum + Math.max(0, Math.ceil(textWidth(line) / columns) - 1), 0);
}
