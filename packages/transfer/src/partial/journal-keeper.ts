import type { FileHandle } from 'node:fs/promises';
import { Checkpoints, liveBounds, syncBounds, tightBounds } from './checkpoints.ts';
import { FileSync } from './file-sync.ts';
import { type Journal, removeJournal, removeLiveJournal, saveJournal } from './journal.ts';
import { bytesOf, type Span } from './spans.ts';

/** A journal without the fields that the keeper adds. */
export type JournalFacts = Omit<Journal, 'boot' | 'ranges'>;

export interface JournalKeeperOptions {
  readonly partialPath: string;
  readonly handle: Pick<FileHandle, 'datasync'>;
  /** Boot id of this system; null if unknown. */
  readonly boot: string | null;
  readonly hasJournal: boolean;
  /** Written so far. */
  readonly spans: () => readonly Span[];
  /** null while nobody could use the bytes on disk, so that no journal is written. */
  readonly facts: () => JournalFacts | null;
  /** Called after each checkpoint: the sender may continue. */
  readonly onSaved: () => void;
  readonly onError: (error: unknown) => void;
  /** Called before each journal; rejects if nothing may be claimed any more. */
  readonly check?: () => Promise<void>;
}

/**
 * Keeps the journals of a partial while it grows. With a known boot id the live journal is written often and cheaply, for a killed process,
 * and the bytes are synced in the background, for a power failure. Without one only syncs count.
 */
export class JournalKeeper {
  readonly #options: JournalKeeperOptions;
  readonly #file: FileSync;
  #hasJournal: boolean;
  #hasLiveJournal: boolean;
  #hasLost = false;
  #isAbandoned = false;
  #live: Checkpoints | null = null;
  #synced: Checkpoints;
  #saving: Promise<void> = Promise.resolve();
  #syncCount = 0;
  #syncing: Promise<void> = Promise.resolve();

  constructor(options: JournalKeeperOptions) {
    this.#options = options;
    this.#file = new FileSync(options.handle);
    this.#hasJournal = options.hasJournal;
    this.#hasLiveJournal = options.hasJournal;
    this.#synced = this.#begin();
  }

  get mustWait(): boolean {
    return this.#synced.mustWait || this.#live?.mustWait === true;
  }

  /** A sync has failed: nothing that was written since the last good one may be claimed. */
  get hasLost(): boolean {
    return this.#hasLost;
  }

  /** More bytes are written. */
  advance(): void {
    if (this.#options.facts() === null) return;
    const written = bytesOf(this.#options.spans());
    this.#live?.advance(written);
    this.#synced.advance(written);
  }

  /** Withdraws all claims for good, after which the bytes may be overwritten. */
  async restart(): Promise<void> {
    await this.stop();
    await this.remove();
  }

  /** Begins again with what is on disk now. */
  renew(): void {
    this.#synced = this.#begin();
  }

  /** Waits for running checkpoints and starts no new ones. */
  async stop(): Promise<void> {
    await Promise.all([this.#live?.stop(), this.#synced.stop()]);
  }

  async remove(): Promise<void> {
    if (this.#hasJournal) await removeJournal(this.#options.partialPath);
    this.#hasJournal = false;
  }

  /** Syncs and then claims everything written, which makes the live journal redundant. */
  async seal(): Promise<void> {
    await this.#sync();
    if (!this.#isAbandoned) await this.#removeLive();
  }

  /** Writes no more journals, not even after a sync that is still running. Waits for a journal being written. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    await this.#saving.catch(() => {});
  }

  #begin(): Checkpoints {
    const { boot, onSaved, onError } = this.#options;
    const common = { claimed: bytesOf(this.#options.spans()), onSaved, onError };
    const sync = () => this.#sync();
    if (boot === null) return new Checkpoints({ ...common, bounds: tightBounds, save: sync });
    this.#live = new Checkpoints({ ...common, bounds: liveBounds, save: () => this.#saveLive(boot) });
    return new Checkpoints({ ...common, bounds: syncBounds, save: sync });
  }

  /** Makes the bytes durable without claiming them. Once it has failed, no journal is written any more, and it fails every time. */
  async sync(): Promise<void> {
    this.#syncCount += 1;
    const sync = this.#syncWithoutLive().finally(() => {
      this.#syncCount -= 1;
    });
    this.#syncing = Promise.allSettled([this.#syncing, sync]).then(() => {});
    await sync;
  }

  /**
   * While a sync runs there is no live journal. A process that ends before it hears of the failure would leave its claims to the next one,
   * which the system tells nothing: it reports a failure once.
   */
  async #syncWithoutLive(): Promise<void> {
    try {
      await this.#saving.catch(() => {});
      await this.#removeLive();
      await this.#file.run();
    } catch (error) {
      this.#hasLost = true;
      await this.abandon();
      // Its claims may be lost; the claims in the synced journal were safe before. What matters more is why the sync failed.
      await removeLiveJournal(this.#options.partialPath).catch(() => {});
      throw error;
    }
  }

  async #removeLive(): Promise<void> {
    if (this.#hasLiveJournal) await removeLiveJournal(this.#options.partialPath);
    this.#hasLiveJournal = false;
  }

  /** The order is the guarantee: first the bytes are durable, then the journal claims them. */
  async #sync(): Promise<void> {
    const ranges = this.#options.spans();
    await this.sync();
    await this.#save(null, ranges);
  }

  /** Claims everything written, valid until this system restarts. */
  async #saveLive(boot: string): Promise<void> {
    while (this.#syncCount > 0) await this.#syncing;
    await this.#save(boot);
  }

  async #save(boot: string | null, ranges = this.#options.spans()): Promise<void> {
    const facts = this.#options.facts();
    if (facts === null || this.#isAbandoned) return;
    this.#hasJournal = true;
    if (boot !== null) this.#hasLiveJournal = true;
    const saved = this.#checkAndSave({ ...facts, boot, ranges });
    this.#saving = Promise.allSettled([this.#saving, saved]).then(() => {});
    await saved;
  }

  async #checkAndSave(journal: Journal): Promise<void> {
    await this.#options.check?.();
    if (!this.#isAbandoned) await saveJournal(this.#options.partialPath, journal);
  }
}
