import { randomBytes } from 'node:crypto';
import { encodeFrame, type Frame } from '@rbee/event-stream';

/** As in a channel: a state may be skipped for a newer one of the same subject, the others may not. */
export type EventKind = 'state' | 'keep' | 'terminal';

/** Events kept for readers that keep up, and give way to newer ones for those that do not. */
const RECENT_LIMIT = 1_024;
/** Notices and ends that a reader behind must still get. */
const KEEP_LIMIT = 1_024;
const EPOCH_BYTES = 6;

interface Entry {
  readonly sequence: number;
  readonly event: { readonly event: string; readonly data: string };
  /** Made when the first reader needs it, and shared by all. */
  frame: Frame | null;
}

/** What a reader gets next, and the sequence of the last event it had then. */
export interface Step {
  readonly frame: Frame;
  readonly upTo: number;
}

/** What the fleet's stream remembers for its readers, each of which is a cursor: the sequence of its last event. */
export class FleetFeed {
  readonly #epoch = randomBytes(EPOCH_BYTES).toString('hex');
  /** The newest state of each subject that has not ended; a newer one goes to the end, so they stand by sequence. */
  readonly #newest = new Map<string, Entry>();
  readonly #recent: Entry[] = [];
  readonly #keeps: Entry[] = [];
  #lastSequence = 0;

  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** The subject has no state any more. */
  forget(key: string): void {
    this.#newest.delete(key);
  }

  add(key: string, event: Entry['event'], kind: EventKind): void {
    this.#lastSequence += 1;
    const entry: Entry = { sequence: this.#lastSequence, event, frame: null };
    this.#recent.push(entry);
    if (this.#recent.length > RECENT_LIMIT) this.#recent.shift();
    if (kind !== 'keep') this.#newest.delete(key);
    if (kind === 'state') this.#newest.set(key, entry);
    else this.#keeps.push(entry);
    if (this.#keeps.length > KEEP_LIMIT) this.#keeps.shift();
  }

  /** Where every subject stood when that sequence was the last, for a reader that came then and has it up to the cursor. */
  *snapshot(cursor: number, upTo: number): Iterable<Step> {
    const entries = [...this.#newest.values()].filter(({ sequence }) => sequence > cursor && sequence <= upTo);
    for (const entry of entries) yield this.#step(entry);
  }

  /** What came after the cursor. A reader that `lagged`, or whose events are gone, gets the newest state of each subject. */
  *after(cursor: number, lagged: boolean): Iterable<Step> {
    const first = this.#recent[0]?.sequence ?? cursor + 1;
    const entries = lagged || first > cursor + 1 ? this.#missed(cursor) : this.#recent.slice(cursor + 1 - first);
    for (const entry of entries) yield this.#step(entry);
  }

  #missed(cursor: number): Entry[] {
    return [...this.#newest.values(), ...this.#keeps]
      .filter(({ sequence }) => sequence > cursor)
      .sort((a, b) => a.sequence - b.sequence);
  }

  #step(entry: Entry): Step {
    entry.frame ??= encodeFrame({ ...entry.event, id: `${this.#epoch}.${entry.sequence}` });
    return { frame: entry.frame, upTo: entry.sequence };
  }
}
