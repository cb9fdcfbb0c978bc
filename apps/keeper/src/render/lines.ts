import { formatSeconds, formatSpeed, HEARTBEAT_ACTION, type JobAccepted } from '@rbee/contract';
import { acceptedIds, type WatchEvent } from '../watch-event.ts';
import { sizeText } from './download-text.ts';
import { createDownloadViews, type DownloadView, isEnded, nameOfId } from './download-view.ts';
import { createReportedEnds, endText, failureText, receiptText } from './end-text.ts';
import type { Display, Output, Renderer } from './renderer.ts';
import type { Paint } from './style.ts';
import { printable } from './text.ts';

/** How often the bytes of a watched download are reported; one of our own has its hive's heartbeats for that. */
const WATCH_INTERVAL_SECS = 10;

export interface LinesOptions {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly paint: Paint;
  readonly display: Display;
  /** Results and errors only. */
  readonly isQuiet: boolean;
}

/** For people without a terminal (a log, a pipe): a plain line at each change of status and at each heartbeat. */
export function createLinesRenderer(options: LinesOptions): Renderer {
  const { stdout, stderr, paint, display } = options;
  const views = createDownloadViews();
  const statusLine = createStatusLines(
    display === 'watch' || display === 'fleet' ? WATCH_INTERVAL_SECS : Number.POSITIVE_INFINITY,
  );
  const reported = createReportedEnds();
  const say = (text: string) => {
    if (!options.isQuiet) stderr.write(text);
  };

  /** Ids alone on stdout: what `$(rbee-keeper … --detach)` hands to the next command. */
  function sayStarted(accepted: JobAccepted): void {
    const ids = acceptedIds(accepted);
    for (const id of ids) stdout.write(`${id}\n`);
    say(`started as ${accepted.job_id}; follow it with "rbee-keeper download watch ${ids.join(' ')}"\n`);
  }

  function event(event: WatchEvent): void {
    const wasLost = views.connectionLost;
    const view = views.apply(event);
    show(event, view, wasLost);
    // A watch of the fleet may last for months.
    if (display === 'fleet' && view !== null && isTerminal(event)) {
      views.forget(view.id);
      reported.forget(view.id);
      statusLine.forget(view.id);
    }
  }

  function show(event: WatchEvent, view: DownloadView | null, wasLost: boolean): void {
    switch (event.event) {
      case 'accepted':
        if (display === 'detach') sayStarted(event.data);
        return;
      case 'narration':
        if (display === 'narrate') stdout.write(`${narrationLine(event.data)}\n`);
        else if (event.data.action === HEARTBEAT_ACTION) say(`${printable(event.data.human)}\n`);
        return;
      case 'data':
        if (display === 'narrate') stdout.write(`${JSON.stringify(event.data)}\n`);
        return;
      case 'progress':
        if (view !== null) say(statusLine.of(view, event.data.elapsed_secs, views.nameOf(view)));
        return;
      case 'notice':
        if (view !== null) say(`${views.nameOf(view)}: ${printable(event.data.message)}\n`);
        return;
      case 'complete':
        reported.isNew(event.data.download_id);
        say(endText(event, view && views.nameOf(view), paint) ?? '');
        stdout.write(`${event.data.path}\n`);
        return;
      case 'error':
        reported.isNew(event.data.download_id);
        stderr.write(endText(event, view && views.nameOf(view), paint) ?? '');
        return;
      case 'cancelled':
        if (reported.isNew(event.data.download_id)) say(endText(event, view && views.nameOf(view), paint) ?? '');
        return;
      case 'receipt':
        say(receiptText(reported.newOf(event.data), (id) => nameOfId(views.all, id)));
        return;
      case 'connection':
        if (!wasLost && views.connectionLost) say('connection to the queen lost, reconnecting\n');
        if (wasLost && !views.connectionLost) say('connected to the queen again\n');
        return;
      case 'failure':
        stderr.write(failureText(event.failure, paint));
    }
  }

  return {
    event,
    answer(_, text, notes) {
      stdout.write(text());
      const below = notes?.() ?? '';
      if (below !== '') say(`\n${below}`);
    },
    note: (text) => say(`${text}\n`),
    failure: (failure) => void stderr.write(failureText(failure, paint)),
    close() {},
  };
}

const isTerminal = ({ event }: WatchEvent): boolean => ['complete', 'error', 'cancelled'].includes(event);

/** The line that tells how a download stands, when it is due: at a change of status, or that long after the last. */
function createStatusLines(intervalSecs: number) {
  const last = new Map<string, { status: string; elapsedSecs: number }>();
  return {
    of(view: DownloadView, elapsedSecs: number, name: string): string {
      const before = last.get(view.id);
      const isDue = elapsedSecs - (before?.elapsedSecs ?? 0) >= intervalSecs;
      if (before?.status === view.status && !isDue) return '';
      last.set(view.id, { status: view.status, elapsedSecs });
      // How it ended is reported by its last event, with what belongs to it.
      return isEnded(view) ? '' : `${name}: ${progressText(view)}\n`;
    },
    forget: (id: string) => void last.delete(id),
  };
}

function progressText(view: DownloadView): string {
  const { status, speed, eta } = view;
  if (status === 'paused') return `${status}, ${sizeText(view)}`;
  if (status !== 'downloading') return status;
  const rate = speed === 0 ? '' : `, ${formatSpeed(speed)}`;
  return `${status}, ${sizeText(view)}${rate}${eta === null ? '' : `, ${formatSeconds(eta)} left`}`;
}

function narrationLine({ at, actor, human }: { at: string; actor: string; human: string }): string {
  return `${at.slice(11, 19)} ${printable(actor)}: ${printable(human)}`;
}
