import type { Channel, Sink, StreamCounts, StreamHub } from '@rbee/event-stream';
import { type EventKind, FleetFeed, type Step } from './fleet-feed.ts';

/** Readers served in one turn of the event loop. */
const SLICE_SIZE = 64;

/**
 * Many subjects, downloads or hives, in one stream that has no end: first where each of them stands, then what is said of
 * them. A slow reader is skipped to the newest state of each subject; notices and ends are not skipped.
 */
export class FleetStream {
  /** What a route serves. */
  readonly channel: Channel;
  readonly #feed = new FleetFeed();
  readonly #readers = new Set<FleetReader>();
  readonly #counts = { skips: 0, skippedEvents: 0 };
  #isPassing = false;

  constructor(hub: StreamHub) {
    // Nothing is published to it: the hub counts, greets and keeps alive its readers, and sends them away in the end.
    const base = hub.channel({ mode: 'state' });
    this.channel = {
      publish: (event, kind) => base.publish(event, kind),
      attach: (sink) => this.#attach(base, sink),
      // Whatever the reader had: the snapshot says where everything stands.
      accepts: () => 'attach',
      ended: false,
      lastId: null,
      keptBytes: 0,
      condense: () => {},
    };
  }

  /** Readers that had fallen behind and were skipped to the newest, and the events that they were not given. */
  get counts(): Pick<StreamCounts, 'skips' | 'skippedEvents'> {
    return this.#counts;
  }

  publish(key: string, event: { readonly event: string; readonly data: string }, kind: EventKind): void {
    this.#feed.add(key, event, kind);
    if (this.#readers.size > 0) this.#pass();
  }

  /** Who comes from now on hears nothing of the subject. */
  forget(key: string): void {
    this.#feed.forget(key);
  }

  #attach(base: Channel, sink: Sink): 'attached' | 'no_content' | 'refused' {
    const reader = new FleetReader(sink, this.#feed, (events) => {
      this.#counts.skips += 1;
      this.#counts.skippedEvents += events;
    });
    const answer = base.attach(reader.forHub, null);
    if (answer !== 'attached') return answer;
    this.#readers.add(reader);
    reader.onClose(() => this.#readers.delete(reader));
    reader.open();
    return answer;
  }

  /** Brings all readers what is new, some in each turn, so that many of them do not stop the loop. */
  #pass(): void {
    if (this.#isPassing) return;
    this.#isPassing = true;
    let upTo = 0;
    let left: Iterator<FleetReader> | null = null;
    const turn = () => {
      if (left === null) {
        upTo = this.#feed.lastSequence;
        left = this.#readers.values();
      }
      for (let served = 0; served < SLICE_SIZE; served += 1) {
        const next = left.next();
        if (next.done === true) {
          this.#isPassing = false;
          if (this.#feed.lastSequence > upTo) this.#pass();
          return;
        }
        next.value.deliver();
      }
      setImmediate(turn);
    };
    setImmediate(turn);
  }
}

/** One open stream, written to by the hub and by the fleet's feed. */
class FleetReader {
  /** The same sink as the hub may use it. */
  readonly forHub: Sink;
  readonly #sink: Sink;
  readonly #feed: FleetFeed;
  readonly #onSkip: (events: number) => void;
  readonly #onClose: (() => void)[] = [];
  #onHubDrain = () => {};
  #cursor = 0;
  /** What it gets before this sequence is where the subjects stood when it came. */
  #cameAt = 0;
  #isBlocked = false;
  #hasLagged = false;
  #isClosed = false;

  constructor(sink: Sink, feed: FleetFeed, onSkip: (events: number) => void) {
    this.#sink = sink;
    this.#feed = feed;
    this.#onSkip = onSkip;
    this.forHub = {
      write: (frame) => this.#write(frame),
      end: () => {
        this.#isClosed = true;
        sink.end();
      },
      destroy: () => sink.destroy(),
      onDrain: (listener) => {
        this.#onHubDrain = listener;
      },
      onClose: (listener) => this.onClose(listener),
    };
    sink.onDrain(() => this.#drained());
    sink.onClose(() => {
      this.#isClosed = true;
      for (const listener of this.#onClose.splice(0)) listener();
    });
  }

  onClose(listener: () => void): void {
    if (this.#isClosed) listener();
    else this.#onClose.push(listener);
  }

  open(): void {
    this.#cameAt = this.#feed.lastSequence;
    this.deliver();
  }

  deliver(): void {
    while (!this.#isBlocked && !this.#isClosed && this.#cursor < this.#feed.lastSequence) {
      const isGreeting = this.#cursor < this.#cameAt;
      const from = this.#cursor;
      let given = 0;
      for (const { frame, upTo } of this.#next(isGreeting)) {
        this.#cursor = upTo;
        given += 1;
        if (this.#write(frame) && !this.#isClosed) continue;
        if (!isGreeting) this.#skipped(upTo - from - given);
        return;
      }
      // What was skipped is skipped: the newest of everything has been written.
      const upTo = isGreeting ? this.#cameAt : this.#feed.lastSequence;
      this.#cursor = upTo;
      if (isGreeting) continue;
      this.#skipped(upTo - from - given);
      this.#hasLagged = false;
    }
  }

  #next(isGreeting: boolean): Iterable<Step> {
    if (isGreeting) return this.#feed.snapshot(this.#cursor, this.#cameAt);
    return this.#feed.after(this.#cursor, this.#hasLagged);
  }

  #skipped(events: number): void {
    if (events > 0) this.#onSkip(events);
  }

  #write(frame: Parameters<Sink['write']>[0]): boolean {
    const hasRoom = this.#sink.write(frame);
    if (!hasRoom) {
      this.#isBlocked = true;
      this.#hasLagged = true;
    }
    return hasRoom;
  }

  #drained(): void {
    this.#isBlocked = false;
    this.#onHubDrain();
    this.deliver();
  }
}
