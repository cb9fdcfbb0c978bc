import { readdir, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type TransferNotice, transferFile } from '../src/index.ts';
import { journalPathOf, parseJournal } from '../src/partial/journal.ts';
import { refuse, serve, stall } from './fault-server.ts';
import { createFixture, type Fixture } from './fixture.ts';

/** An abort at every stage: the promise rejects with the reason, the socket is gone, nothing stays open. */
let fixture: Fixture;
const reason = new Error('not wanted any more');
beforeEach(async () => {
  fixture = await createFixture(8_000_000);
});
afterEach(() => fixture.close());

/** Resolves with the first state that fits, while the transfer runs. */
function start(fits: (bytes: number, phase: string) => boolean) {
  const seen = Promise.withResolvers<void>();
  const options = fixture.options({
    onState: ({ bytes, phase }) => {
      if (fits(bytes, phase)) seen.resolve();
    },
  });
  const done = transferFile(fixture.request(), options);
  done.catch(() => {});
  return { done, seen: seen.promise };
}

test('midway closes the socket at the server and keeps what has arrived, ready to be resumed', async () => {
  const { server, file, abort, partialPath } = fixture;
  server.script(serve(file, { bytes: 5_000_000, after: stall }));
  const { done, seen } = start((bytes) => bytes >= 4_000_000);
  await seen;
  abort.abort(reason);
  await expect(done).rejects.toBe(reason);
  // The abort ended it, not a timeout.
  expect(fixture.notices).toEqual([]);
  await server.until(() => server.openSockets === 0);
  const journal = parseJournal(await readFile(journalPathOf(partialPath), 'utf8'));
  expect(journal?.ranges[0]?.[1]).toBeGreaterThanOrEqual(4_000_000);
  expect(server.requests).toHaveLength(1);

  const result = await transferFile(fixture.request(), fixture.options({ signal: new AbortController().signal }));
  expect(result.reused).toBe(journal?.ranges[0]?.[1]);
  expect(file.content.equals(await fixture.finalContent())).toBe(true);
});

test('before the headers closes the socket at the server', async () => {
  const { server, abort } = fixture;
  server.script(stall);
  const { done } = start(() => false);
  await server.until(() => server.requests.length === 1);
  abort.abort(reason);
  await expect(done).rejects.toBe(reason);
  await server.until(() => server.openSockets === 0);
  expect(await fixture.names()).toEqual([]);
});

test('while it waits for a retry ends the wait', async () => {
  const { server, abort } = fixture;
  server.fallback(refuse(503, { 'retry-after': '3600' }));
  const waiting = Promise.withResolvers<void>();
  const options = fixture.options({ onNotice: () => waiting.resolve() });
  const done = transferFile(fixture.request(), options);
  done.catch(() => {});
  await waiting.promise;
  abort.abort(reason);
  await expect(done).rejects.toBe(reason);
});

test('while it requests the address reaches `locate`', async () => {
  const { abort } = fixture;
  const locate = (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      setImmediate(() => abort.abort(reason));
    });
  await expect(transferFile(fixture.request({ locate }), fixture.options())).rejects.toBe(reason);
});

test('[J2] while it verifies leaves no file under the final name', async () => {
  const { abort } = fixture;
  const { done, seen } = start((_bytes, phase) => phase === 'verifying');
  await seen;
  abort.abort(reason);
  await expect(done).rejects.toBe(reason);
  expect(await fixture.names()).toEqual(['blob.rbee-partial', 'blob.rbee-journal']);
});

test('while the partial is being discarded ends after that, so that nothing changes under the next transfer', async () => {
  const { server, file, abort } = fixture;
  server.script(serve(file, { bytes: 5_000_000 }), refuse(400));
  await expect(transferFile(fixture.request(), fixture.options())).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
  expect(await fixture.names()).toEqual(['blob.rbee-partial', 'blob.rbee-journal']);

  server.script(serve(file, { ignoreRange: true, bytes: 1_000_000, after: stall }));
  const onNotice = ({ code }: TransferNotice) => {
    if (code === 'RESTART') abort.abort(reason);
  };
  await expect(transferFile(fixture.request(), fixture.options({ onNotice }))).rejects.toBe(reason);
  expect(await fixture.names()).toEqual([]);
});

test('before the start does nothing at all', async () => {
  fixture.abort.abort(reason);
  await expect(transferFile(fixture.request(), fixture.options())).rejects.toBe(reason);
  expect(await fixture.names()).toEqual([]);
  expect(fixture.server.requests).toEqual([]);
});

describe.runIf(process.platform === 'linux')('no file stays open', () => {
  const openIn = async (folder: string) => {
    const { readlink } = await import('node:fs/promises');
    const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
    return (await Promise.all(links)).filter((path) => path.startsWith(folder));
  };

  test('after a success, an error or an abort', async () => {
    const { server, file, folder } = fixture;
    await transferFile(fixture.request(), fixture.options());
    expect(await openIn(folder)).toEqual([]);

    server.script(serve(file, { bytes: 5_000_000 }), refuse(400));
    await expect(transferFile(fixture.request(), fixture.options())).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
    expect(await openIn(folder)).toEqual([]);

    server.script(serve(file, { bytes: 5_000_000, after: stall }));
    const { done, seen } = start((bytes) => bytes >= 4_500_000);
    await seen;
    expect(await openIn(folder)).not.toEqual([]);
    fixture.abort.abort(reason);
    await expect(done).rejects.toBe(reason);
    expect(await openIn(folder)).toEqual([]);
  });
});
