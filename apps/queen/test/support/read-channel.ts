import type { Channel, Sink } from '@rbee/event-stream';

/** What a reader of a channel gets: `event data`, and `end`. */
export function readChannel(channel: Channel): string[] {
  const lines: string[] = [];
  channel.attach(sinkOf(lines), null);
  return lines;
}

/** A reader that can stop to take bytes. */
export interface SlowReader {
  readonly lines: readonly string[];
  /** Frames taken after it had no more room. */
  readonly overdue: number;
  readonly isClosed: boolean;
  stop(): void;
  goOn(): void;
  leave(): void;
}

/** A reader of a channel that takes bytes when it is told to; `isStopped`: not even the first after the greeting. */
export function readSlowly(channel: Channel, { isStopped: isStoppedAtFirst = false } = {}): SlowReader {
  const lines: string[] = [];
  const listeners = { drain: () => {}, close: () => {} };
  let isStopped = isStoppedAtFirst;
  let isFull = false;
  let overdue = 0;
  let isClosed = false;
  const inner = sinkOf(lines);
  const close = () => {
    if (isClosed) return;
    isClosed = true;
    listeners.close();
  };
  channel.attach(
    {
      write(frame) {
        if (isFull) overdue += 1;
        inner.write(frame);
        isFull = isStopped;
        return !isStopped;
      },
      end: close,
      destroy: close,
      onDrain(listener) {
        listeners.drain = listener;
      },
      onClose(listener) {
        listeners.close = listener;
      },
    },
    null,
  );
  return {
    lines,
    get overdue() {
      return overdue;
    },
    get isClosed() {
      return isClosed;
    },
    stop() {
      isStopped = true;
    },
    goOn() {
      isStopped = false;
      isFull = false;
      listeners.drain();
    },
    leave: close,
  };
}

function sinkOf(lines: string[]): Sink {
  return {
    write(frame) {
      for (const block of frame.plain.toString().split('\n\n')) {
        const data = /^data: ?(.*)$/m.exec(block)?.[1];
        if (data !== undefined) lines.push(`${/^event: ?(.*)$/m.exec(block)?.[1]} ${data}`);
      }
      return true;
    },
    end: () => lines.push('end'),
    destroy: () => {},
    onDrain: () => {},
    onClose: () => {},
  };
}
