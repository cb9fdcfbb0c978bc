import {
  formatSeconds,
  formatSpeed,
  HEARTBEAT_ACTION,
  type JobAccepted,
  PROJECTOR_ACTION,
  percentOf,
} from '@rbee/contract';
import { acceptedIds, type WatchEvent } from '../watch-event.ts';
import { sizeText } from './download-text.ts';
import { createDownloadViews, type DownloadView, isEnded } from './download-view.ts';
import { continuingText, createReportedEnds, endText, failureText, goneText, receiptText } from './end-text.ts';
import { jsonLine } from './json.ts';
import type { Display, Output, Renderer } from './renderer.ts';
import { createResultOrder } from './result-order.ts';
import type { Paint } from './style.ts';
import { pathLine, printable, sentence } from './text.ts';

/** The narration that whoever waits for a download sees. */
const SHOWN_ACTIONS: readonly string[] = [HEARTBEAT_ACTION, PROJECTOR_ACTION];

/** While bytes flow, a line each second; a download that has run for long has them less often, down to this. */
const MIN_INTERVAL_SECS = 1;
const MAX_INTERVAL_SECS = 10;
const ELAPSED_PER_INTERVAL = 60;
/** In a short download, also a line for each of these steps. */
const STEP_PERCENT = 5;

export interface LinesOptions {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly paint: Paint;
  readonly display: Display;
  /** Prints only results and errors. */
  readonly isQuiet: boolean;
}

/** For people without a terminal (a log, a pipe): a plain line for each change of status and each heartbeat. */
export function createLinesRenderer(options: LinesOptions): Renderer {
  const { stdout, stderr, paint, display } = options;
  const views = createDownloadViews({ isFleet: display === 'fleet' });
  const statusLine = createStatusLines();
  const reported = createReportedEnds();
  const nameOf = (id: string) => views.nameOfId(id);
  const print = (text: string) => {
    if (!options.isQuiet) stderr.write(text);
  };

  // Only ids on stdout, so that `$(rbee-keeper … --detach)` captures them.
  const results = createResultOrder(display === 'detach' ? 'ids' : 'paths');

  function printStarted(accepted: JobAccepted): void {
    const ids = acceptedIds(accepted);
    print(`started as ${accepted.job_id}; follow it with "rbee-keeper download watch ${ids.join(' ')}"\n`);
  }

  function event(event: WatchEvent): void {
    const wasLost = views.connectionLost;
    const view = views.apply(event);
    show(event, view, wasLost);
    for (const result of results.after(event)) stdout.write(pathLine(result));
    // Watching the fleet may last for months.
    if (display === 'fleet' && view !== null && isTerminal(event)) {
      views.forget(view.id);
      reported.forget(view.id);
      statusLine.forget(view.id);
    }
  }

  function show(event: WatchEvent, view: DownloadView | null, wasLost: boolean): void {
    switch (event.event) {
      case 'accepted':
        if (display === 'detach') printStarted(event.data);
        return;
      case 'narration':
        if (display === 'narrate') stdout.write(`${narrationLine(event.data)}\n`);
        else if (SHOWN_ACTIONS.includes(event.data.action)) print(`${sentence(event.data.human)}\n`);
        return;
      case 'data':
        if (display === 'narrate') stdout.write(jsonLine(event.data));
        return;
      case 'progress':
        if (view !== null) print(statusLine.of(view, event.data.elapsed_secs, views.nameOf(view)));
        return;
      case 'notice':
        if (view !== null) print(`${views.nameOf(view)}: ${sentence(event.data.message)}\n`);
        return;
      case 'complete':
        reported.isNew(event.data.download_id);
        print(endText(event, view && views.endNameOf(view), paint) ?? '');
        return;
      case 'error':
        reported.isNew(event.data.download_id);
        stderr.write(endText(event, view && views.endNameOf(view), paint) ?? '');
        return;
      case 'cancelled':
        if (reported.isNew(event.data.download_id)) print(endText(event, view && views.endNameOf(view), paint) ?? '');
        return;
      case 'receipt':
        print(receiptText(reported.newOf(event.data), nameOf));
        print(continuingText(event.continuing ?? [], nameOf));
        return;
      case 'snapshot_end':
        for (const gone of views.dropUnseen()) print(goneText(gone.view, gone.name));
        return;
      case 'connection':
        if (!wasLost && views.connectionLost) print('lost the connection to the queen, reconnecting\n');
        if (wasLost && !views.connectionLost) print('reconnected to the queen\n');
        return;
      case 'failure':
        stderr.write(failureText(event.failure, paint));
    }
  }

  return {
    event,
    expect: results.expect,
    result(_, text, notes) {
      stdout.write(text());
      const below = notes?.() ?? '';
      if (below !== '') print(`\n${below}`);
    },
    note: (text) => print(`${printable(text)}\n`),
    failure: (failure) => void stderr.write(failureText(failure, paint)),
    close() {
      for (const result of results.rest()) stdout.write(pathLine(result));
    },
  };
}

const isTerminal = ({ event }: WatchEvent): boolean => ['complete', 'error', 'cancelled'].includes(event);

/** The progress line of a download, if due: after a change of status, and at intervals while bytes flow. */
function createStatusLines() {
  const last = new Map<string, { status: string; elapsedSecs: number; bytes: number; percent: number }>();
  return {
    of(view: DownloadView, elapsedSecs: number, name: string): string {
      const { id, status, bytes, total } = view;
      const percent = percentOf(bytes, total) ?? 0;
      const before = last.get(id);
      const waitedSecs = elapsedSecs - (before?.elapsedSecs ?? 0);
      const isStep = percent - (before?.percent ?? 0) >= STEP_PERCENT;
      const isDue = bytes !== before?.bytes && (waitedSecs >= intervalAfter(elapsedSecs) || isStep);
      if (before?.status === status && !isDue) return '';
      last.set(id, { status, elapsedSecs, bytes, percent });
      // The terminal event prints the end, with its details.
      return isEnded(view) ? '' : `${name}: ${progressText(view)}\n`;
    },
    forget: (id: string) => void last.delete(id),
  };
}

function intervalAfter(elapsedSecs: number): number {
  return Math.min(MAX_INTERVAL_SECS, Math.max(MIN_INTERVAL_SECS, elapsedSecs / ELAPSED_PER_INTERVAL));
}

function progressText(view: DownloadView): string {
  const { status, speed, eta } = view;
  if (status === 'paused') return `${status}, ${sizeText(view)}`;
  if (status !== 'downloading') return status;
  const percent = percentOf(view.bytes, view.total);
  const share = percent === null ? '' : ` (${percent.toFixed(1)}%)`;
  const rate = speed === 0 ? '' : `, ${formatSpeed(speed)}`;
  return `${status}, ${sizeText(view)}${share}${rate}${eta === null ? '' : `, ${formatSeconds(eta)} left`}`;
}

function narrationLine({ at, actor, human }: { at: string; actor: string; human: string }): string {
  return `${at.slice(11, 19)} ${printable(actor)}: ${sentence(human)}`;
}
