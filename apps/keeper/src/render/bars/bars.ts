import { PROJECTOR_ACTION } from '@rbee/contract';
import type { Io } from '../../io.ts';
import type { TextOutput } from '../../output.ts';
import type { WatchEvent } from '../../watch-event.ts';
import { createDownloadViews } from '../download-view.ts';
import { continuingText, createReportedEnds, endText, failureText, goneText, receiptText } from '../end-text.ts';
import type { Renderer } from '../renderer.ts';
import { createResultOrder } from '../result-order.ts';
import type { Paint } from '../style.ts';
import { pathLine, printable, sentence, textWidth, wrap } from '../text.ts';
import { barLine } from './bar-line.ts';
import { type BarScreen, columnsOf, createBarScreen } from './bar-screen.ts';
import { barSubjects, linesWanted } from './bar-subjects.ts';

export interface BarsOptions extends Pick<Io, 'stdout' | 'now' | 'onSuspend'> {
  /** The terminal to draw on. */
  readonly terminal: TextOutput;
  readonly paint: Paint;
  /** Whether downloads come and go, so that an ended one is removed from the bars. */
  readonly isFleet: boolean;
}

/**
 * For people at a terminal: one bar for each download, one for each of its active files, and a total, redrawn at most 10
 * times a second. Results and errors are held back until the bars are closed, since stdout may be the same terminal.
 */
export function createBarsRenderer(options: BarsOptions): Renderer {
  const { stdout, terminal, paint, now, isFleet } = options;
  const views = createDownloadViews({ now, isFleet });
  const results: string[] = [];
  const paths = createResultOrder('paths');
  const endings: string[] = [];
  const reported = createReportedEnds();
  let screen: BarScreen | null = null;
  let closed = false;
  let isResting = false;
  const suspending = options.onSuspend({ suspend: () => screen?.suspend(), resume: () => screen?.resume() });
  const columns = () => columnsOf(terminal);

  function lines(count: number): string[] {
    const subjects = barSubjects(views, count, now());
    const nameWidth = Math.max(0, ...subjects.map(({ name }) => textWidth(name)));
    // The last column stays free: filling it moves some terminals to the next line.
    const width = columns() - 1;
    const { connectionLost } = views;
    return subjects.map((subject) => barLine(subject, { width, nameWidth, now: now(), paint, connectionLost }));
  }

  const wrapped = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .flatMap((line) => wrap(line, columns() - 1));

  function event(event: WatchEvent): void {
    if (event.event === 'failure') {
      endings.push(failureText(event.failure, paint));
      return;
    }
    if (event.event === 'narration' && event.data.action === PROJECTOR_ACTION) print(sentence(event.data.human));
    if (event.event === 'snapshot_end') {
      for (const { view, name } of views.dropUnseen()) print(goneText(view, name));
      return;
    }
    const view = views.apply(event);
    const name = view && views.endNameOf(view);
    const end = endText(event, name, paint);
    if (isFleet && view !== null && end !== null) {
      print(end);
      if (event.event === 'complete') print(printable(event.data.path));
      views.forget(view.id);
      return;
    }
    results.push(...paths.after(event).map(pathLine));
    if (event.event === 'complete' || event.event === 'error' || event.event === 'cancelled') {
      // For a complete download the bar and the path are enough.
      const isNew = reported.isNew(event.data.download_id);
      if (isNew && event.event !== 'complete' && end !== null) endings.push(end);
    }
    if (event.event === 'receipt') {
      const nameOf = (id: string) => views.nameOfId(id);
      endings.push(receiptText(reported.newOf(event.data), nameOf) + continuingText(event.continuing ?? [], nameOf));
    }
    draw();
  }

  function draw(): void {
    if (views.all.length === 0 || closed || isResting) return;
    screen ??= createBarScreen(terminal, lines);
    screen.grow(linesWanted(views));
  }

  /** Prints permanently above the bars. */
  function print(text: string): void {
    if (screen === null) terminal.write(`${text.trimEnd()}\n`);
    else screen.print(wrapped(text));
  }

  return {
    event,
    expect: paths.expect,
    result(_, text, notes) {
      const whole = [text(), notes?.() ?? ''].filter((part) => part !== '').join('\n');
      if (screen === null) stdout.write(whole);
      else results.push(whole);
    },
    note: (text) => print(printable(text)),
    failure: (failure) => void endings.push(failureText(failure, paint)),
    rest() {
      isResting = true;
      screen?.suspend();
      return () => {
        isResting = false;
        draw();
      };
    },
    close() {
      if (closed) return;
      closed = true;
      suspending();
      screen?.close();
      for (const line of endings.flatMap(wrapped)) terminal.write(`${line}\n`);
      for (const text of [...results, ...paths.rest().map(pathLine)]) stdout.write(text);
    },
  };
}
