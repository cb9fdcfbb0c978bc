import { RbeeError } from '@rbee/contract';
import { usageError } from '../../errors/keeper-error.ts';
import { acceptedIds, type WatchEvent } from '../../watch-event.ts';
import type { CommandDeps } from '../command-deps.ts';

/** A part of each day, by the wall clock of this machine; it may span midnight. */
export interface TimeWindow {
  /** Minutes since midnight. */
  readonly start: number;
  readonly end: number;
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;

/** @throws KeeperError USAGE */
export function parseTimeWindow(text: string): TimeWindow {
  const [, ...parts] = /^(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$/.exec(text.trim()) ?? [];
  const [startHour = 99, startMinute = 99, endHour = 99, endMinute = 99] = parts.map(Number);
  const [start, end] = [startHour * 60 + startMinute, endHour * 60 + endMinute];
  const isTime = startMinute < 60 && endMinute < 60 && start < DAY_MINUTES && end <= DAY_MINUTES;
  if (isTime && start !== end % DAY_MINUTES) return { start, end: end % DAY_MINUTES };
  throw usageError('--between needs two different times of the day', 'write it like 02:00-07:00');
}

/** Whether a moment is inside, as a clock on the wall shows it. */
export function isInside({ start, end }: TimeWindow, at: Date): boolean {
  const minute = at.getHours() * 60 + at.getMinutes();
  return start < end ? minute >= start && minute < end : minute >= start || minute < end;
}

const timeText = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;

export interface ScheduleDeps extends Pick<CommandDeps, 'client' | 'signal'> {
  readonly now: () => number;
  /** Says what it did. */
  readonly note: (text: string) => void;
  /** Calls back after a while; returns a function that forgets it. */
  readonly setTimer?: (ms: number, callback: () => void) => () => void;
}

/** Pauses downloads outside a part of the day, and resumes them inside. */
export interface Schedule {
  onEvent(event: WatchEvent): void;
  close(): void;
}

/**
 * The clock is looked at each minute, so that a change of the time zone's rules, or a machine that slept, moves nothing. A download that
 * somebody else resumes outside the window stays resumed until the next one.
 */
export function createSchedule(window: TimeWindow, deps: ScheduleDeps): Schedule {
  const { client, signal, now, note, setTimer = timer } = deps;
  const active = new Set<string>();
  /** Since the window closed. */
  const paused = new Set<string>();
  let wasInside: boolean | null = null;
  let cancel = () => {};

  const pause = async (id: string) => {
    if (paused.has(id)) return;
    paused.add(id);
    try {
      await client.pauseDownload(id, signal);
    } catch (error) {
      // It has ended, or the queen is away: the next progress tries again.
      paused.delete(id);
      if (!(error instanceof Error)) throw error;
    }
  };
  const resume = async (id: string) => {
    try {
      await client.resumeDownload(id, signal);
      paused.delete(id);
    } catch (error) {
      // Not paused any more; else the next look at the clock tries again.
      if (error instanceof RbeeError) paused.delete(id);
    }
  };
  const look = () => {
    const inside = isInside(window, new Date(now()));
    if (inside !== wasInside && (wasInside !== null || !inside)) {
      note(inside ? `downloading until ${timeText(window.end)}` : `paused until ${timeText(window.start)}`);
    }
    wasInside = inside;
    if (inside) for (const id of paused) void resume(id);
    else for (const id of active) void pause(id);
    cancel();
    cancel = setTimer(MINUTE_MS - (now() % MINUTE_MS), look);
  };
  return {
    onEvent(event) {
      if (event.event === 'accepted') {
        for (const id of acceptedIds(event.data)) active.add(id);
        look();
      } else if (event.event === 'complete' || event.event === 'error' || event.event === 'cancelled') {
        active.delete(event.data.download_id);
        paused.delete(event.data.download_id);
      } else if (event.event === 'progress' && event.data.status === 'downloading' && wasInside === false) {
        void pause(event.data.download_id);
      }
    },
    close: () => cancel(),
  };
}

function timer(ms: number, callback: () => void): () => void {
  const handle = setTimeout(callback, ms);
  return () => clearTimeout(handle);
}
