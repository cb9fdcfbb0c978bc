import { existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { readBootId } from '../../src/partial/journal.ts';
import { PartialFile } from '../../src/partial/partial-file.ts';

/**
 * A process that is killed in a sync that does not end, as on a disk that fails. Arguments: partial, size. 64 KiB of the file are synced
 * before, and 64 KiB more are in its live journal. It says "syncing" when it can be killed.
 */
const [path = '', size = ''] = process.argv.slice(2);
const KIB_64 = 64 * 1024;
let hangs = false;
const handle = await open(path, 'w+');
const faulty = new Proxy(handle, {
  get(target, name) {
    if (name === 'datasync' && hangs) {
      return () => {
        console.log('syncing');
        return new Promise(() => {});
      };
    }
    const value: unknown = Reflect.get(target, name);
    return typeof value === 'function' ? (value as FileHandle['stat']).bind(target) : value;
  },
});
const wanted = { size: Number(size), sha256: 'a'.repeat(64), gitSha1: null };
const origin = { state: 'new', spans: [], size: null, source: null } as const;
const partial = new PartialFile(path, faulty, wanted, origin, await readBootId());
partial.describe({ url: 'https://host/x', validator: null }, Number(size));

async function write(start: number): Promise<void> {
  const writer = partial.openWriter(start, { onWritten: () => {}, onReady: () => {}, onError: () => {} });
  writer.write(Buffer.alloc(KIB_64, 1));
  await writer.flush();
}

async function there(end: string): Promise<void> {
  while (!existsSync(path.replace('-partial', end))) await sleep(5);
}

await write(0);
await there('-journal');
hangs = true;
await write(KIB_64);
await there('-journal-live');
// Keeps the process alive whatever it waits for.
setInterval(() => {}, 1_000);
