import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BatchWriter } from './batch-writer.ts';
import { Checkpoints } from './checkpoints.ts';
import { codeOf } from './http-fault.ts';
import { loadJournal, removeJournal, saveJournal } from './journal.ts';
import { judgeJournal, type PartialOrigin, type PartialSource, type WantedFile } from './judge-journal.ts';
import { makeFolder, syncFolder } from './sync-folder.ts';

/** A stop waits no longer than this for a slow disk; the journal then claims less than is there. */
const stopLimitMs = 500;
/** Given up at the end of a partial where a full disk has no room for the journal that makes the rest usable. */
const journalRoomBytes = 64 * 2 ** 10;

export interface WriteListener {
  /** All bytes before `frontier` are in the file. */
  readonly onFrontier: (frontier: number) => void;
  /** After a `write` that answered false: the sender may go on. */
  readonly onReady: () => void;
  readonly onError: (error: unknown) => void;
}

/** A file on its way: written from the front, with a journal of what is safely on disk. */
export class PartialFile {
  readonly path: string;
  /** How it was found, and why what was there is used or not. */
  readonly origin: PartialOrigin;
  readonly #wanted: WantedFile;
  readonly #handle: FileHandle;
  #source: PartialSource | null;
  #size: number | null;
  #frontier: number;
  #hasJournal: boolean;
  #checkpoints: Checkpoints;
  #writer: BatchWriter | null = null;
  #listener: WriteListener | null = null;
  #isHeld = false;
  #isSynced = false;
  #isAbandoned = false;
  #journalWrite: Promise<void> = Promise.resolve();

  constructor(path: string, handle: FileHandle, wanted: WantedFile, origin: PartialOrigin) {
    this.path = path;
    this.origin = origin;
    this.#handle = handle;
    this.#wanted = wanted;
    this.#source = origin.source;
    this.#size = wanted.size ?? origin.size;
    this.#frontier = origin.bytes;
    this.#hasJournal = origin.bytes > 0;
    this.#checkpoints = this.#newCheckpoints();
  }

  /** Bytes from the start of the file that are there without a gap. */
  get frontier(): number {
    return this.#frontier;
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

  /** Makes ready for chunks that follow the frontier. Ends with `flush`. */
  startWriting(listener: WriteListener): void {
    this.#listener = listener;
    this.#isSynced = false;
    this.#isHeld = false;
    this.#writer = new BatchWriter({
      handle: this.#handle,
      position: this.#frontier,
      onError: listener.onError,
      onFrontier: (frontier) => {
        this.#frontier = frontier;
        if (this.#isResumable) this.#checkpoints.advance(frontier);
        listener.onFrontier(frontier);
        this.#release();
      },
    });
  }

  /** Takes the next chunk. False: send no more until `onReady`. */
  write(chunk: Buffer): boolean {
    this.#writer?.write(chunk);
    this.#isHeld = this.#mustHold;
    return !this.#isHeld;
  }

  /** Waits until all chunks are written; rejects with the first error. */
  async flush(): Promise<void> {
    const writer = this.#writer;
    this.#isHeld = false;
    try {
      await writer?.flush();
    } finally {
      this.#writer = null;
      this.#listener = null;
    }
  }

  /** Throws away what is there. The claims go first, so that no crash leaves them beside other bytes. */
  async restart(): Promise<void> {
    await this.#checkpoints.stop();
    if (this.#hasJournal) await removeJournal(this.path);
    this.#hasJournal = false;
    if (this.#frontier > 0) await this.#handle.truncate(0);
    this.#frontier = 0;
    this.#source = null;
    this.#size = this.#wanted.size;
    this.#checkpoints = this.#newCheckpoints();
  }

  /** Makes the bytes durable. */
  async sync(): Promise<void> {
    await this.#handle.datasync();
    this.#isSynced = true;
  }

  /** Gives the file its final name, for good. The caller has verified it. */
  async commit(finalPath: string): Promise<void> {
    await this.#checkpoints.stop();
    if (!this.#isSynced) await this.sync();
    const folder = dirname(finalPath);
    await makeFolder(folder);
    await rename(this.path, finalPath);
    await syncFolder(folder);
    if (this.#hasJournal) await removeJournal(this.path);
  }

  /** Saves as much as can be used later and closes the file, within a bounded time. Never throws. */
  async stop(): Promise<void> {
    const limit = new AbortController();
    const deadline = sleep(stopLimitMs, undefined, { signal: limit.signal }).then(
      () => {
        this.#isAbandoned = true;
      },
      () => {},
    );
    // The last checkpoint is a best effort: the transfer ends for another reason, which is what the caller has to hear.
    await Promise.race([this.#keep().catch(() => {}), deadline]);
    // An empty file is no partial: nothing of it could be used.
    if (this.#frontier === 0) await rm(this.path, { force: true }).catch(() => {});
    limit.abort();
    await this.#journalWrite.catch(() => {});
    // Closing waits for a sync that is still under way, so after the deadline nobody waits for it.
    const closed = this.close().catch(() => {});
    if (!this.#isAbandoned) await closed;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #keep(): Promise<void> {
    const { claimed } = await this.#checkpoints.stop();
    if (this.#frontier <= claimed || !this.#isResumable) return;
    try {
      await this.#save(this.#frontier);
    } catch (error) {
      if (codeOf(error) !== 'ENOSPC' || this.#frontier <= claimed + journalRoomBytes) throw error;
      this.#frontier -= journalRoomBytes;
      await this.#handle.truncate(this.#frontier);
      await this.#save(this.#frontier);
    }
  }

  /** Without a validator or a digest the bytes could never be trusted again, so nothing is written about them. */
  get #isResumable(): boolean {
    const { sha256, gitSha1 } = this.#wanted;
    const validator = this.#source?.validator ?? null;
    return this.#source !== null && (sha256 !== null || gitSha1 !== null || validator !== null);
  }

  get #mustHold(): boolean {
    return this.#writer?.isFull === true || this.#checkpoints.mustWait;
  }

  #release(): void {
    if (!this.#isHeld || this.#mustHold) return;
    this.#isHeld = false;
    this.#listener?.onReady();
  }

  #newCheckpoints(): Checkpoints {
    return new Checkpoints({
      claimed: this.#frontier,
      save: (frontier) => this.#save(frontier),
      onSaved: () => this.#release(),
      onError: (error) => this.#listener?.onError(error),
    });
  }

  /** The order is the promise: first the bytes are durable, then the journal claims them. */
  async #save(frontier: number): Promise<void> {
    const source = this.#source;
    if (source === null) return;
    const { sha256, gitSha1 } = this.#wanted;
    const journal = { ...source, size: this.#size, sha256, gitSha1, ranges: [[0, frontier]] as const };
    await this.#handle.datasync();
    if (this.#isAbandoned) return;
    this.#hasJournal = true;
    this.#journalWrite = saveJournal(this.path, journal);
    await this.#journalWrite;
  }
}

/** Opens a partial, or makes it; what is not proven to be of the wanted file is thrown away. */
export async function openPartial(path: string, wanted: WantedFile): Promise<PartialFile> {
  await makeFolder(dirname(path));
  const loaded = await loadJournal(path);
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o666);
  try {
    const { size: length } = await handle.stat();
    const origin = judgeJournal(loaded, wanted, length);
    if (loaded.state !== 'missing' && origin.bytes === 0) await removeJournal(path);
    // Bytes that the journal does not claim may be holes or of another file.
    if (length > origin.bytes) await handle.truncate(origin.bytes);
    return new PartialFile(path, handle, wanted, origin);
  } catch (error) {
    await handle.close();
    throw error;
  }
}
