import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '@rbee/contract/plain';
import { makeFolder, syncFolder } from '../disk/sync-folder.ts';
import { loadJournal, readBootId, removeJournal } from './journal.ts';
import { type JournalFacts, JournalKeeper } from './journal-keeper.ts';
import { judgeJournal, type PartialOrigin, type PartialSource, type WantedFile } from './judge-journal.ts';
import { type RangeWriter, type WriteListener, WriterSet } from './range-writer.ts';
import { addSpan, bytesOf, frontierOf, removeSpan, type Span } from './spans.ts';

/** A stop waits no longer than this for a slow disk; the journal then claims less than is there. */
const stopLimitMs = 500;
/** Given up at the end of a partial where a full disk has no room for the journal that makes the rest usable. */
const journalRoomBytes = 64 * 2 ** 10;

/** A file on its way: written in place at any offsets, with a journal of what is safely on disk. */
export class PartialFile {
  readonly path: string;
  /** How it was found, and why what was there is used or not. */
  readonly origin: PartialOrigin;
  readonly #wanted: WantedFile;
  readonly #handle: FileHandle;
  readonly #keeper: JournalKeeper;
  readonly #writers: WriterSet;
  #source: PartialSource | null;
  #size: number | null;
  #spans: readonly Span[];
  /** Whether there is more than what was found, and what the last seal covers. */
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
      onError: (error) => this.#writers.fail(error),
    });
    this.#writers = new WriterSet({
      handle,
      ...(release === undefined ? {} : { release }),
      mustWait: () => this.#keeper.mustWait,
      onWritten: (span) => this.#add(span),
    });
  }

  /** What is written, in order. */
  get spans(): readonly Span[] {
    return this.#spans;
  }

  get bytes(): number {
    return bytesOf(this.#spans);
  }

  /** Bytes from the start of the file that are there without a gap. */
  get frontier(): number {
    return frontierOf(this.#spans);
  }

  /** The whole file's size; null while it is unknown. */
  get size(): number | null {
    return this.#size;
  }

  /** Where the bytes that are there came from; null while there are none. */
  get source(): PartialSource | null {
    return this.#source;
  }

  /** Says where the bytes to come are from; goes into the journal with the next checkpoint. */
  describe(source: PartialSource, size: number | null): void {
    this.#source = source;
    this.#size = size;
  }

  /** Makes ready for chunks from an offset on; several may write at once, apart from each other. */
  openWriter(start: number, listener: WriteListener): RangeWriter {
    return this.#writers.open(start, listener);
  }

  /** Throws away what is there. The claims go first, so that no crash leaves them beside other bytes. */
  async restart(): Promise<void> {
    await this.#keeper.restart();
    if (this.#spans.length > 0) await this.#handle.truncate(0);
    this.#spans = [];
    this.#source = null;
    this.#size = this.#wanted.size;
    this.#keeper.renew();
  }

  /** Makes the bytes durable. */
  async sync(): Promise<void> {
    await this.#handle.datasync();
    this.#isSynced = true;
  }

  /** Gives the file its final name, for good. The caller has verified it. */
  async commit(finalPath: string): Promise<void> {
    await this.#keeper.stop();
    if (!this.#isSynced) await this.sync();
    const folder = dirname(finalPath);
    await makeFolder(folder);
    await rename(this.path, finalPath);
    await syncFolder(folder);
    await this.#keeper.remove();
  }

  /** Saves as much as can be used later and closes the file, within a bounded time. Never throws. */
  async stop(): Promise<void> {
    const limit = new AbortController();
    let isLate = false;
    const deadline = sleep(stopLimitMs, undefined, { signal: limit.signal }).then(
      () => {
        isLate = true;
      },
      () => {},
    );
    // The last checkpoint is a best effort: the transfer ends for another reason, which is what the caller has to hear.
    await Promise.race([this.#keep().catch(() => {}), deadline]);
    limit.abort();
    // An empty file is no partial: nothing of it could be used.
    if (this.#spans.length === 0) await rm(this.path, { force: true }).catch(() => {});
    await this.#keeper.abandon();
    // Closing waits for a sync that is still under way, so after the deadline nobody waits for it.
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

  async #keep(): Promise<void> {
    await this.#keeper.stop();
    if (!this.#hasNews || this.#spans.length === 0) return;
    try {
      await this.#claim();
    } catch (error) {
      const [start, end] = this.#spans.at(-1) ?? [0, 0];
      if (errnoOf(error) !== 'ENOSPC' || end - start <= journalRoomBytes) throw error;
      this.#spans = removeSpan(this.#spans, [end - journalRoomBytes, end]);
      await this.#handle.truncate(end - journalRoomBytes);
      await this.#claim();
    }
  }

  /** At first what is at no cost, since the sync may take longer than anybody waits. */
  async #claim(): Promise<void> {
    await this.#keeper.claim();
    await this.#keeper.seal();
  }

  /** Without a validator or a digest the bytes could never be trusted again, so nothing is written about them. */
  get #facts(): JournalFacts | null {
    const { sha256, gitSha1 } = this.#wanted;
    const source = this.#source;
    const isProvable = sha256 !== null || gitSha1 !== null || (source?.validator ?? null) !== null;
    return source === null || !isProvable ? null : { ...source, size: this.#size, sha256, gitSha1 };
  }
}

/** Opens a partial, or makes it; what is not proven to be of the wanted file is thrown away. */
export async function openPartial(
  path: string,
  wanted: WantedFile,
  release?: (chunk: Buffer) => void,
): Promise<PartialFile> {
  await makeFolder(dirname(path));
  const boot = await readBootId();
  const loaded = await loadJournal(path, boot);
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o666);
  try {
    const { size: length } = await handle.stat();
    const origin = judgeJournal(loaded, wanted, length);
    if (loaded.state !== 'missing' && origin.spans.length === 0) await removeJournal(path);
    // Bytes that the journal does not claim may be holes or of another file.
    const claimedEnd = origin.spans.at(-1)?.[1] ?? 0;
    if (length > claimedEnd) await handle.truncate(claimedEnd);
    return new PartialFile(path, handle, wanted, origin, boot, release);
  } catch (error) {
    await handle.close();
    throw error;
  }
}
