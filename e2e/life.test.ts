import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { generateBytes, type Program } from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDownload } from './support/api.ts';
import { type Daemon, type Fleet, startFleet } from './support/fleet.ts';
import { sentByCdn } from './support/sent-bytes.ts';
import { jsonOf, readStream } from './support/sse.ts';

// Goal: a stopped daemon exits cleanly within its 10 s, whatever its clients do, and the next start uses the bytes it
// downloaded. Method: SIGTERM in the middle of a download, with clients that never read (raw sockets that request far
// more than the kernel's buffers hold) and clients that never finish their request. Failure shows as another exit code, a
// drain that hit its limit, or bytes that are fetched twice.

const SIZE = 24_000_000;
const BYTES_PER_SECOND = 8_000_000;
/** Bytes that were sent but are not on disk when a transfer is cut: sockets and pipes hold them. */
const LOST_AT_A_CUT = 6 * 1024 * 1024;
/** Requests of a stuck reader for a large page: tens of megabytes, more than any socket buffers. */
const STUCK_REQUESTS = 400;
const DRAIN_LIMIT_MS = 10_000;

let fleet: Fleet;
const sockets: Socket[] = [];
beforeAll(async () => {
  fleet = await startFleet();
  fleet.hub.addRepo({ id: 'org/big', files: { 'big.gguf': { size: SIZE, seed: 7 } } });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await fleet.close();
});

/** A client that sends requests and never reads. */
async function stuckReader(daemon: Daemon, path: string, times: number): Promise<void> {
  const socket = await connected(daemon);
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${new URL(daemon.url).host}\r\n\r\n`.repeat(times));
}

/** A client that never finishes its request. */
async function stuckWriter(daemon: Daemon): Promise<void> {
  const socket = await connected(daemon);
  const head = `POST /v1/jobs HTTP/1.1\r\nHost: ${new URL(daemon.url).host}\r\nContent-Type: application/json`;
  socket.write(`${head}\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n`);
  // "100 Continue": from now on the daemon waits for the body.
  await once(socket, 'data');
  socket.write('{"operation":');
}

async function connected({ url }: Daemon): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  // The daemon resets it when it exits.
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Stops a daemon with SIGTERM; returns its exit code and its log messages. A drain that hits its limit never logs `drained`. */
async function stop(program: Program): Promise<{ code: number | null; messages: unknown[] }> {
  const code = await program.stop('SIGTERM', { timeoutMs: 2 * DRAIN_LIMIT_MS });
  return { code, messages: program.lines.map(({ json }) => json?.['msg']) };
}

describe('SIGTERM', () => {
  it('ends a hive with stuck clients in the middle of a download, which resumes at the next start', async () => {
    fleet.hub.throttle(BYTES_PER_SECOND);
    const { hive } = fleet;
    const { download_id, job_id } = await startDownload(hive.url, 'hf:org/big::file=big.gguf');
    await stuckReader(hive, `/v2/downloads/${download_id}/stream`, 1);
    await stuckReader(hive, `/v1/jobs/${job_id}/stream`, 1);
    await stuckReader(hive, '/openapi.json', STUCK_REQUESTS);
    await stuckWriter(hive);
    await fleet.hub.waitFor(() => sentByCdn(fleet.hub) > SIZE / 2, 'half of the file', { timeoutMs: 30_000 });

    const { code, messages } = await stop(hive.program);
    expect(code).toBe(0);
    expect(messages).toContain('drained');

    fleet.hub.throttle(null);
    const again = await fleet.restart(hive);
    const events = await (await readStream(`${again.url}/v2/downloads/${download_id}/stream`)).toEnd();
    expect(events.at(-1)?.event).toBe('complete');
    const path = String(jsonOf(events.at(-1))['path']);
    expect((await readFile(path)).equals(generateBytes({ size: SIZE, seed: 7 }))).toBe(true);
    expect(sentByCdn(fleet.hub) - SIZE).toBeLessThan(LOST_AT_A_CUT);
  });

  it('ends a queen with stuck clients', async () => {
    const { queen } = fleet;
    await stuckReader(queen, '/v1/downloads/stream', 1);
    await stuckReader(queen, '/openapi.json', STUCK_REQUESTS);
    await stuckWriter(queen);
    const { code, messages } = await stop(queen.program);
    expect(code).toBe(0);
    expect(messages).toContain('drained');
  });
});
