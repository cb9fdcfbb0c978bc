import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { transferFile } from '../../src/index.ts';
import { journalPathOf, liveJournalPathOf } from '../../src/partial/journal.ts';
import { serve, stall } from '../fault-server.ts';
import { createFixture, type Fixture } from '../fixture.ts';

/*
 * Goal: a kill at any instant loses no more than 64 MiB and never makes a wrong file.
 * Method: a real process is killed with SIGKILL when the server has sent a random amount; then the next one resumes.
 * A failure shows as a request that starts too early, or as a file that differs.
 */
const MiB = 2 ** 20;
const size = 200 * MiB;
const rounds = 8;
const maxLostBytes = 64 * MiB;
/** Sent data may still be in the buffers of the two sockets when the process dies. */
const onTheWayBytes = 12 * MiB;
const spareBytes = 8 * MiB;
const testTimeoutMs = 120_000;
const child = fileURLToPath(new URL('./crash-child.ts', import.meta.url));

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture(size);
});
afterEach(() => fixture.close());

test(
  'a process killed at random instants is resumed by the next, to a right file',
  async () => {
    const { server, file } = fixture;
    const random = createRandom(20_251_121);
    let reached = 0;
    const starts: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const sentBefore = server.bytesSent;
      // The first round is long enough for the journal to claim something, however slow the disk.
      const bytes = Math.floor((round === 0 ? 44 : 2 + 10 * random()) * MiB);
      // The server stops a little later, so that a late kill does not find the file complete.
      server.script(serve(file, { bytes: bytes + spareBytes, after: stall }));
      await runAndKill(() => server.bytesSent >= sentBefore + bytes && (round > 0 || hasJournal()));
      const start = startOf(round);
      if (round > 0) expect(reached - start).toBeLessThanOrEqual(maxLostBytes + onTheWayBytes);
      starts.push(start);
      reached = start + (server.bytesSent - sentBefore);
    }
    expect(server.requests).toHaveLength(rounds);
    await expect(access(fixture.finalPath)).rejects.toThrow();

    const sentBefore = server.bytesSent;
    const result = await transferFile(fixture.request(), fixture.options());
    expect(file.content.equals(await fixture.finalContent())).toBe(true);
    expect(await fixture.names()).toEqual(['blob']);
    expect(result.wasted).toBe(0);
    expect(result.reused).toBeGreaterThan(0);
    expect(server.bytesSent - sentBefore).toBe(size - result.reused);
    expect(starts.some((start) => start > 0)).toBe(true);
  },
  testTimeoutMs,
);

test(
  'a process killed with many connections is resumed by the next, wherever its parts are',
  async () => {
    const connections = 4;
    const { server, file } = fixture;
    const random = createRandom(20_261_121);
    server.fallback(serve(file, { bytesPerSecond: 20 * MiB }));
    let sent = 0;
    for (let round = 0; round < rounds; round += 1) {
      const sentBefore = server.bytesSent;
      const bytes = Math.floor((round === 0 ? 44 : 4 + 10 * random()) * MiB);
      await runAndKill(() => server.bytesSent >= sentBefore + bytes, connections);
      sent += server.bytesSent - sentBefore;
    }
    const sentBefore = server.bytesSent;
    server.fallback(serve(file));
    const result = await transferFile(fixture.request(), fixture.options({ maxConnections: connections }));
    expect(file.content.equals(await fixture.finalContent())).toBe(true);
    expect(await fixture.names()).toEqual(['blob']);
    expect(result.wasted).toBe(0);
    // Bytes that were sent to any process and did not count in the end were lost to a kill.
    expect(sent - result.reused).toBeLessThan(rounds * (maxLostBytes + onTheWayBytes));
    expect(server.requests.some(({ headers }) => /^bytes=\d+-\d+$/.test(headers.range ?? ''))).toBe(true);
    // If a connection takes over the rest of another's part, data in flight to that one is sent twice.
    expect(server.bytesSent - sentBefore).toBeLessThan(size - result.reused + connections * onTheWayBytes);
  },
  testTimeoutMs,
);

/** On a loaded machine the bytes may be there long before their journal. */
function hasJournal(): boolean {
  return existsSync(liveJournalPathOf(fixture.partialPath)) || existsSync(journalPathOf(fixture.partialPath));
}

function startOf(request: number): number {
  return Number(/^bytes=(\d+)-$/.exec(fixture.server.requests[request]?.headers.range ?? '')?.[1] ?? 0);
}

async function runAndKill(condition: () => boolean, connections = 1): Promise<void> {
  const { url, partialPath, finalPath, size: bytes, sha256 } = { ...fixture.request(), url: fixture.server.url };
  const args = [
    '--conditions=@rbee/source',
    child,
    `${url}/model.bin`,
    partialPath,
    finalPath,
    String(bytes),
    sha256 ?? '',
    String(connections),
  ];
  const process_ = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = once(process_, 'exit');
  await Promise.race([fixture.server.until(condition), exited]);
  process_.kill('SIGKILL');
  expect(await exited).toEqual([null, 'SIGKILL']);
  // The requests of the dead process are over before the next one begins, so that the counts are its own.
  await fixture.server.until(() => fixture.server.openSockets === 0);
}

/** A small generator with a seed, so that a failure can be seen again. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
