import type { Writable } from 'node:stream';

export interface Line {
  /** From one end to the other. */
  readonly delayMs: number;
  /** Infinity for no limit. */
  readonly bytesPerSecond: number;
}

interface Parcel {
  readonly chunk: Buffer;
  readonly dueAtMs: number;
  /** Called once the chunk is no longer in use. */
  readonly onGone: () => void;
}

/** Held in addition to a full line, so that a late timer does not leave the line empty. */
const slackMs = 50;
const minHeldBytes = 256 * 1024;
const maxHeldBytes = 16 * 1024 * 1024;
const msPerSecond = 1_000;

/**
 * One direction of a connection: chunks come out of the sink in order and unchanged, as late and as slowly as the line demands.
 * It holds a full line and some slack; beyond that, `put` asks the source to pause.
 */
export class DelayedPipe {
  readonly #sink: Writable;
  readonly #delayMs: number;
  readonly #bytesPerMs: number;
  readonly #heldLimitBytes: number;
  readonly #onRoom: () => void;
  #parcels: Parcel[] = [];
  #heldBytes = 0;
  /** When the line will have taken in everything that was put. */
  #freeAtMs = 0;
  #endsAtMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isBlocked = false;

  /** @param onRoom called when `put` may be called again after it returned false. */
  constructor(sink: Writable, { delayMs, bytesPerSecond }: Line, onRoom: () => void) {
    this.#sink = sink;
    this.#delayMs = delayMs;
    this.#bytesPerMs = bytesPerSecond / msPerSecond;
    const lineBytes = this.#bytesPerMs * (delayMs + slackMs);
    this.#heldLimitBytes = Math.min(maxHeldBytes, Math.max(minHeldBytes, lineBytes));
    this.#onRoom = onRoom;
    sink.on('drain', () => {
      this.#isBlocked = false;
      this.#deliver();
    });
    sink.once('close', () => this.#drop());
  }

  /** The pipe owns the chunk until `onGone`. False: full, pause the source until `onRoom`. */
  put(chunk: Buffer, onGone: () => void = () => {}): boolean {
    if (this.#sink.destroyed) {
      onGone();
      return true;
    }
    const nowMs = performance.now();
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + chunk.length / this.#bytesPerMs;
    this.#parcels.push({ chunk, dueAtMs: this.#freeAtMs + this.#delayMs, onGone });
    this.#heldBytes += chunk.length;
    this.#arm(nowMs);
    return !this.#isFull;
  }

  /** Ends the sink once everything that was put has arrived, no sooner than the delay. */
  end(): void {
    const nowMs = performance.now();
    this.#endsAtMs = Math.max(nowMs, this.#freeAtMs) + this.#delayMs;
    this.#arm(nowMs);
  }

  get #isFull(): boolean {
    return this.#heldBytes >= this.#heldLimitBytes;
  }

  #arm(nowMs: number): void {
    const nextAtMs = this.#parcels[0]?.dueAtMs ?? this.#endsAtMs;
    if (this.#timer !== null || this.#isBlocked || nextAtMs === null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#deliver();
    }, nextAtMs - nowMs);
  }

  #deliver(): void {
    if (this.#isBlocked || this.#sink.destroyed) return;
    const nowMs = performance.now();
    const wasFull = this.#isFull;
    const later = this.#parcels.findIndex(({ dueAtMs }) => dueAtMs > nowMs);
    const due = this.#parcels.splice(0, later < 0 ? this.#parcels.length : later);
    this.#sink.cork();
    for (const { chunk, onGone } of due) {
      this.#heldBytes -= chunk.length;
      this.#isBlocked = !this.#sink.write(chunk, onGone);
    }
    this.#sink.uncork();
    if (wasFull && !this.#isFull) this.#onRoom();
    if (this.#parcels.length > 0 || this.#endsAtMs === null || this.#endsAtMs > nowMs) this.#arm(nowMs);
    else this.#sink.end();
  }

  #drop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const { onGone } of this.#parcels) onGone();
    this.#parcels = [];
    this.#heldBytes = 0;
  }
}
