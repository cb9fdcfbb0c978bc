import { type FileHandle, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '@rbee/contract/plain';
import { makeFolder, syncFolder } from '../disk/sync-folder.ts';
import { removeJournal } from './journal.ts';
import { type JournalFacts, JournalKeeper } from './journal-keeper.ts';
import type { PartialOrigin, PartialSource, WantedFile } from './judge-journal.ts';
import { assertNamed, LostNameError } from './own-name.ts';
import { type RangeWriter, type WriteListener, WriterSet } from './range-writer.ts';
import { addSpan, bytesOf, frontierOf, removeSpan, type Span } from './spans.ts';

/** A stop waits no longer than this for a slow disk; after that the journal claims less than was shown as progress. */
const stopLimitMs = 5_000;
/** Cut off the end of a partial if a full disk has no space for the journal that makes the rest usable. */
const journalRoomBytes = 64 * 2 ** 10;

/** A file being downloaded: written in place at any offsets, with a journal of what is safely on disk. */
export class PartialFile {
  readonly path: string;
  /** What was found on disk, and why it is used or not. */
  readonly origin: PartialOrigin;
  readonly #wanted: WantedFile;
  readonly #handle: FileHandle;
  readonly #keeper: JournalKeeper;
  readonly #writers: WriterSet;
  #source: PartialSource | null;
  #size: number | null;
  #spans: readonly Span[];
  /** Whether anything was written since it was opened, and whether all of it is synced. */
  #hasNews = false;
  #isSynced = false;

  constructor(
    path: string,
    handle: FileHandle,
    wanted: WantedFile,
    origin: PartialOrigin,
    boot: string | null,
    release?: (chunk: Buffer) => void,
  ) {
    this.path = path;
    this.origin = origin;
    this.#handle = handle;
    this.#wanted = wanted;
    this.#source = origin.source;
    this.#size = wanted.size ?? origin.size;
    this.#spans = origin.spans;
    this.#keeper = new JournalKeeper({
      partialPath: path,
      handle,
      boot,
      hasJournal: origin.spans.length > 0,
      spans: () => this.#spans,
      facts: () => this.#facts,
      onSaved: () => this.#writers.release(),
      check: () => assertNamed(handle, path),
      onError: (error) => this.#writers.fail(error),
    });
    this.#writers = new WriterSet({
      handle,
      ...(release === undefined ? {} : { release }),
      mustWait: () => this.#keeper.mustWait,
      onWritten: (span) => this.#add(span),
    });
  }

  /** Written so far, in order. */
  get spans(): readonly Span[] {
    return this.#spans;
  }

  get bytes(): number {
    return bytesOf(this.#spans);
  }

  /** Bytes from the start of the file without a gap. */
  get frontier(): number {
    return frontierOf(this.#spans);
  }

  /** Size of the whole file; null if unknown. */
  get size(): number | null {
    return this.#size;
  }

  /** Where the bytes came from; null while there are none. */
  get source(): PartialSource | null {
    return this.#source;
  }

  /** Sets where the next bytes come from; written to the journal with the next checkpoint. */
  describe(source: PartialSource, size: number | null): void {
    this.#source = source;
    this.#size = size;
  }

  /** A writer for chunks from an offset on; several may write concurrently to different ranges. */
  openWriter(start: number, listener: WriteListener): RangeWriter {
    return this.#writers.open(start, listener);
  }

  /** Discards everything. The claims go first, so that after a crash they never describe other bytes. */
  async restart(): Promise<void> {
    await this.#keeper.restart();
    if (this.#spans.length > 0) await this.#handle.truncate(0);
    this.#spans = [];
    this.#source = null;
    this.#size = this.#wanted.size;
    this.#keeper.renew();
  }

  /** Whether it was deleted, or replaced by another file, since it was opened. */
  async isLost(): Promise<boolean> {
    return assertNamed(this.#handle, this.path).then(
      () => false,
      (error: unknown) => error instanceof LostNameError,
    );
  }

  /** Makes the bytes durable. Rejects for good once any sync of this file has failed: it has to be opened again. */
  async sync(): Promise<void> {
    await this.#keeper.sync();
    this.#isSynced = true;
  }

  /** Gives the file its final name, durably. The caller has verified it. */
  async commit(finalPath: string): Promise<void> {
    await this.#keeper.stop();
    if (!this.#isSynced) await this.sync();
    await assertNamed(this.#handle, this.path);
    const folder = dirname(finalPath);
    await makeFolder(folder);
    await rename(this.path, finalPath);
    await syncFolder(folder);
    await this.#keeper.remove();
  }

  /** Saves as much as possible for later and closes the file, within a bounded time. Never throws. */
  async stop(limitMs = stopLimitMs): Promise<void> {
    const limit = new AbortController();
    let isLate = false;
    const deadline = sleep(limitMs, undefined, { signal: limit.signal }).then(
      () => {
        isLate = true;
      },
      () => {},
    );
    // The last checkpoint is best effort: the transfer ends for another reason, which the caller must get.
    await Promise.race([this.#saveClaims().catch((error: unknown) => this.#forgetLost(error)), deadline]);
    limit.abort();
    // An empty partial is of no use.
    if (this.#spans.length === 0) await rm(this.path, { force: true }).catch(() => {});
    await this.#keeper.abandon();
    // Closing waits for a running sync, so it is not awaited after the deadline.
    const closed = this.close().catch(() => {});
    if (!isLate) await closed;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #add(span: Span): void {
    this.#spans = addSpan(this.#spans, span);
    this.#hasNews = true;
    this.#isSynced = false;
    this.#keeper.advance();
  }

  /** Journals beside a file that is gone would describe the next one. */
  async #forgetLost(error: unknown): Promise<void> {
    if (error instanceof LostNameError) await removeJournal(this.path).catch(() => {});
  }

  async #saveClaims(): Promise<void> {
    await this.#keeper.stop();
    await assertNamed(this.#handle, this.path);
    if (!this.#hasNews || this.#spans.length === 0 || this.#keeper.hasLost) return;
    try {
      await this.#keeper.seal();
    } catch (error) {
      const [start, end] = this.#spans.at(-1) ?? [0, 0];
      if (errnoOf(error) !== 'ENOSPC' || end - start <= journalRoomBytes || this.#keeper.hasLost) throw error;
      this.#spans = removeSpan(this.#spans, [end - journalRoomBytes, end]);
      await this.#handle.truncate(end - journalRoomBytes);
      await this.#keeper.seal();
    }
  }

  /** Without a validator or a digest the bytes could never be trusted again, so nothing is written about them. */
  get #facts(): JournalFacts | null {
    const { sha256, gitSha1 } = this.#wanted;
    const source = this.#source;
    const isProvable = sha256 !== null || gitSha1 !== null || (source?.validator ?? null) !== null;
    return source === null || !isProvable ? null : { ...source, size: this.#size, sha256, gitSha1 };
  }
}
