import { type FileHandle, open } from 'node:fs/promises';
import type { WantedFile } from '../../src/partial/judge-journal.ts';
import { PartialFile } from '../../src/partial/partial-file.ts';

/** The outcomes of the next syncs, in order; after them syncs succeed. Each ends when the test says. */
export class Disk {
  readonly waiting: { fail(code: string): void; succeed(): void }[] = [];
  isManual = false;
  failNext = false;
  syncs = 0;

  async datasync(): Promise<void> {
    this.syncs += 1;
    if (this.failNext) {
      this.failNext = false;
      throw eio('EIO');
    }
    if (!this.isManual) return;
    await new Promise<void>((resolve, reject) => {
      this.waiting.push({ fail: (code) => reject(eio(code)), succeed: resolve });
    });
  }
}

function eio(code: string): Error {
  return Object.assign(new Error(`${code}: sync`), { code });
}

/** A real partial that is synced by such a disk. */
export async function partialOn(
  disk: Disk,
  path: string,
  wanted: WantedFile,
  boot: string | null,
): Promise<PartialFile> {
  const handle = await open(path, 'w+');
  const faulty = new Proxy(handle, {
    get(target, name) {
      if (name === 'datasync') return () => disk.datasync();
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value as FileHandle['stat']).bind(target) : value;
    },
  });
  const partial = new PartialFile(path, faulty, wanted, { state: 'new', spans: [], size: null, source: null }, boot);
  partial.describe({ url: 'https://host/x', validator: null }, wanted.size);
  return partial;
}

export async function write(
  partial: PartialFile,
  start: number,
  end: number,
  onError: (error: unknown) => void = () => {},
): Promise<void> {
  const writer = partial.openWriter(start, { onWritten: () => {}, onReady: () => {}, onError });
  writer.write(Buffer.alloc(end - start, 1));
  await writer.flush();
}
