import { clearScreenDown, moveCursor } from 'node:readline';
import { MultiBar, type Options, type SingleBar } from 'cli-progress';
import { textWidth } from '../text.ts';

const MAX_REDRAWS_PER_SECOND = 10;
const DEFAULT_COLUMNS = 80;
/** A printed line is written over a bar, and cli-progress wipes only the first one away. */
const CLEAR_REST = '\u001b[K';

export interface Terminal extends NodeJS.WritableStream {
  readonly columns?: number;
  readonly rows?: number;
}

/** Columns of the terminal; the usual number where it does not know. */
export function columnsOf(terminal: Terminal): number {
  return terminal.columns || DEFAULT_COLUMNS;
}

/** A block of lines at the bottom of what the terminal shows. */
export interface BarScreen {
  /** Makes room for that many lines; never takes any back. */
  grow(count: number): void;
  /** Lines that stand above the bars from now on. */
  print(lines: readonly string[]): void;
  /** Draws the last state and gives the terminal back. */
  close(): void;
}

/** cli-progress as a block of lines that is redrawn in place; `lines` says what they show. */
export function createBarScreen(terminal: Terminal, lines: (count: number) => string[]): BarScreen {
  const options: Options = {
    stream: terminal,
    fps: MAX_REDRAWS_PER_SECOND,
    hideCursor: true,
    linewrap: false,
    // Signals belong to the program, which closes the screen on every path.
    gracefulExit: false,
    forceRedraw: true,
    // The last state is written as plain lines: cli-progress would cut it where colours make it longer.
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
      // What was printed since the last redraw would be lost with its buffer.
      multi.update();
      multi.stop();
      for (const line of lines(bars.length)) terminal.write(`${line}\n`);
    },
  };
}

/**
 * Rows that the lines take beyond one each after the terminal has become narrower: most terminals break them then. The
 * last one is not counted: the cursor is in it, and there they differ. One row too few leaves a trace, one too many
 * would eat what stands above.
 */
function extraRows(lines: readonly string[], columns: number): number {
  return lines.slice(0, -1).reduce((sum, line) => sum + Math.max(0, Math.ceil(textWidth(line) / columns) - 1), 0);
}
