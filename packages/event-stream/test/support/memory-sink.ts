import type { Frame } from '../../src/frame.ts';
import type { Sink } from '../../src/sinks/sink.ts';
import { type ParsedEvent, parseEvents } from './parse-events.ts';

/** A reader without a network: keeps every frame and can be full, like a socket whose peer does not read. */
export interface MemorySink extends Sink {
  readonly frames: Pick<Frame, 'chunked' | 'plain'>[];
  readonly state: 'open' | 'ended' | 'destroyed';
  /** From here on each write is taken, but returns false. */
  fill(): void;
  readonly isFull: boolean;
  text(): string;
  events(): ParsedEvent[];
  ids(): string[];
  /** Reads again, for this many frames. */
  drain(room?: number): void;
  /** The peer leaves. */
  close(): void;
}

/** `closesAtEnd`: like a peer that takes the last bytes immediately. */
export function createMemorySink(options: { closesAtEnd?: boolean } = {}): MemorySink {
  const frames: Pick<Frame, 'chunked' | 'plain'>[] = [];
  const drainListeners: (() => void)[] = [];
  const closeListeners: (() => void)[] = [];
  let room = Number.POSITIVE_INFINITY;
  let state: MemorySink['state'] = 'open';
  const text = () => Buffer.concat(frames.map((frame) => frame.plain)).toString();
  const close = () => {
    for (const listener of closeListeners.splice(0)) listener();
  };
  return {
    frames,
    fill() {
      room = 0;
    },
    get isFull() {
      return room <= 0;
    },
    get state() {
      return state;
    },
    write(frame) {
      if (state !== 'open') throw new Error('written to after the end');
      frames.push(frame);
      room -= 1;
      return room > 0;
    },
    end() {
      if (state === 'open') state = 'ended';
      if (options.closesAtEnd !== false && room > 0) close();
    },
    destroy() {
      state = 'destroyed';
      close();
    },
    onDrain: (listener) => drainListeners.push(listener),
    onClose: (listener) => closeListeners.push(listener),
    text,
    events: () => parseEvents(text()).events,
    ids: () => parseEvents(text()).events.map((event) => event.id ?? ''),
    drain(newRoom = Number.POSITIVE_INFINITY) {
      room = newRoom;
      for (const listener of drainListeners) listener();
    },
    close,
  };
}
