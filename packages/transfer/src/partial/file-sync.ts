import type { FileHandle } from 'node:fs/promises';

/**
 * Syncs a file, one sync at a time. The system reports bytes that it could not write once, then takes them for written: the next sync
 * succeeds although they are lost. So after a failure every later sync fails too, with the same error.
 */
export class FileSync {
  readonly #handle: Pick<FileHandle, 'datasync'>;
  #last: Promise<void> = Promise.resolve();

  constructor(handle: Pick<FileHandle, 'datasync'>) {
    this.#handle = handle;
  }

  /** Makes everything durable that is written now. */
  run(): Promise<void> {
    this.#last = this.#last.then(() => this.#handle.datasync());
    // A caller that has given up must not make a failure unhandled.
    this.#last.catch(() => {});
    return this.#last;
  }
}
