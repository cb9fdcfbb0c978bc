import type { FileHandle } from 'node:fs/promises';
import { Checkpoints, syncBounds, tightBounds } from './checkpoints.ts';
import { type Journal, removeJournal, removeLiveJournal, saveJournal } from './journal.ts';
import { bytesOf, type Span } from './spans.ts';

/** A journal without what the keeper adds. */
export type JournalFacts = Omit<Journal, 'boot' | 'ranges'>;

export interface JournalKeeperOptions {
  readonly partialPath: string;
  readonly handle: Pick<FileHandle, 'datasync'>;
  /** Of this start of the system; null where it is not known. */
  readonly boot: string | null;
  readonly hasJournal: boolean;
  /** What is written. */
  readonly spans: () => readonly Span[];
  /** null while what is there could not be used by anybody, so that nothing is written about it. */
  readonly facts: () => JournalFacts | null;
  /** Called after each checkpoint: the sender may go on. */
  readonly onSaved: () => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Keeps the journals of a partial while it grows. Under a known start of the system the live journal is written often and at
 * no cost, for a killed process, and the bytes are synced beside the flow, for a power loss. Elsewhere only syncs count.
 */
export class JournalKeeper {
  readonly #options: JournalKeeperOptions;
  #hasJournal: boolean;
  #isAbandoned = false;
  #live: Checkpoints | null = null;
  #synced: Checkpoints;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: JournalKeeperOptions) {
    this.#options = options;
    this.#hasJournal = options.hasJournal;
    this.#synced = this.#begin();
  }

  get mustWait(): boolean {
    return this.#synced.mustWait || this.#live?.mustWait === true;
  }

  /** More is written. */
  advance(): void {
    if (this.#options.facts() === null) return;
    const written = bytesOf(this.#options.spans());
    this.#live?.advance(written);
    this.#synced.advance(written);
  }

  /** Claims nothing any more, for good: what is there may be overwritten after this. */
  async restart(): Promise<void> {
    await this.stop();
    await this.remove();
  }

  /** Begins again, from what is there now. */
  renew(): void {
    this.#synced = this.#begin();
  }

  /** Waits for running checkpoints and starts no other. */
  async stop(): Promise<void> {
    await Promise.all([this.#live?.stop(), this.#synced.stop()]);
  }

  async remove(): Promise<void> {
    if (this.#hasJournal) await removeJournal(this.#options.partialPath);
    this.#hasJournal = false;
  }

  /** Claims all that is written for as long as this system runs; false where that is not possible. */
  async claim(): Promise<boolean> {
    const { boot } = this.#options;
    if (boot !== null) await this.#save(boot);
    return boot !== null;
  }

  /** Syncs and then claims all that is written, after which the live journal has nothing to add. */
  async seal(): Promise<void> {
    await this.#sync();
    if (!this.#isAbandoned) await removeLiveJournal(this.#options.partialPath);
  }

  /** Nothing is written any more, also not by a sync that is still under way. Waits for a journal in the making. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    await this.#saving.catch(() => {});
  }

  #begin(): Checkpoints {
    const { boot, onSaved, onError } = this.#options;
    const common = { claimed: bytesOf(this.#options.spans()), onSaved, onError };
    const sync = () => this.#sync();
    if (boot === null) return new Checkpoints({ ...common, bounds: tightBounds, save: sync });
    this.#live = new Checkpoints({ ...common, bounds: tightBounds, save: () => this.#save(boot) });
    return new Checkpoints({ ...common, bounds: syncBounds, save: sync });
  }

  /** The order is the promise: first the bytes are durable, then the journal claims them. */
  async #sync(): Promise<void> {
    const ranges = this.#options.spans();
    await this.#options.handle.datasync();
    await this.#save(null, ranges);
  }

  async #save(boot: string | null, ranges = this.#options.spans()): Promise<void> {
    const facts = this.#options.facts();
    if (facts === null || this.#isAbandoned) return;
    this.#hasJournal = true;
    const saved = saveJournal(this.#options.partialPath, { ...facts, boot, ranges });
    this.#saving = Promise.allSettled([this.#saving, saved]).then(() => {});
    await saved;
  }
}
