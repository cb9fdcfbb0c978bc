import { clearScreenDown, moveCursor } from 'node:readline';
import { MultiBar, type Options, type SingleBar } from 'cli-progress';
import { textWidth } from '../text.ts';

const MAX_REDRAWS_PER_SECOND = 10;
const DEFAULT_COLUMNS = 80;
/** Printed lines overwrite bars, and cli-progress clears only the first of them. */
const CLEAR_REST = '\u001b[K';

export interface Terminal extends NodeJS.WritableStream {
  readonly columns?: number;
  readonly rows?: number;
}

/** Columns of the terminal, or a default if unknown. */
export function columnsOf(terminal: Terminal): number {
  return terminal.columns || DEFAULT_COLUMNS;
}

/** A block of lines at the bottom of the terminal. */
export interface BarScreen {
  /** Grows to that many lines; never shrinks. */
  grow(count: number): void;
  /** Prints lines above the bars. */
  print(lines: readonly string[]): void;
  /** Draws the last state and restores the terminal. */
  close(): void;
}

/** A block of lines redrawn in place by cli-progress; `lines` returns their content. */
export function createBarScreen(terminal: Terminal, lines: (count: number) => string[]): BarScreen {
  const options: Options = {
    stream: terminal,
    fps: MAX_REDRAWS_PER_SECOND,
    hideCursor: true,
    linewrap: false,
    // The program handles signals and always closes the screen.
    gracefulExit: false,
    forceRedraw: true,
    // The last state is written as plain lines: cli-progress counts colour codes and would cut it.
    clearOnComplete: true,
  };
  const multi = new MultiBar(options);
  const bars: SingleBar[] = [];
  let drawn: string[] = [];
  let isResized = false;
  const onResize = () => {
    isResized = true;
    const broken = extraRows(drawn, columnsOf(terminal));
    if (broken > 0) moveCursor(terminal, 0, -broken);
    multi.update();
  };
  multi.on('redraw-pre', () => {
    if (isResized) clearScreenDown(terminal);
    isResized = false;
    drawn = lines(bars.length);
  });
  terminal.on('resize', onResize);
  return {
    grow(count) {
      for (let index = bars.length; index < count; index += 1) {
        bars.push(multi.create(1, 0, {}, { format: () => drawn[index] ?? '' }));
      }
    },
    print(text) {
      for (const line of text) multi.log(`${line}${CLEAR_REST}\n`);
    },
    close() {
      terminal.off('resize', onResize);
      // Flushes lines printed since the last redraw.
      multi.update();
      multi.stop();
      for (const line of lines(bars.length)) terminal.write(`${line}\n`);
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
