import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { generateBytes } from '@rbee/testing';
import { Agent } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { fetchRange } from '../../src/http/fetch-range.ts';
import { createReadPool } from '../../src/http/read-pool.ts';

/*
 * Goal: memory that goes back to the pool, with the heads of answers and with bodies that nobody wants, is never that of a byte that is
 * still needed.
 * Method: answers of every kind over few kept connections, cut into pieces at chance places; the sink keeps each chunk for some turns of the
 * loop and compares it with what it should be only right before it gives it back.
 */
const MiB = 2 ** 20;
const FILE = { size: 2 * MiB, seed: 7 };
const REQUESTS = 240;
const WORKERS = 4;

function chance(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const content = generateBytes(FILE);

/** Redirects, refusals and parts of the file, as the path asks: `/<kind>/<start>-<end>`. */
function answerTo(request: string): Buffer {
  const [, kind = '', start = 0, end = 0] = /^GET \/(\w+)\/(\d+)-(\d+) /.exec(request) ?? [];
  const head = (status: string, length: number, more = '') =>
    Buffer.from(`HTTP/1.1 ${status}\r\n${more}Content-Length: ${length}\r\nEtag: "v1"\r\n\r\n`);
  const page = Buffer.alloc(1 + (Number(start) % 50_000), 'x');
  if (kind === 'redirected') {
    const to = `Location: /part/${start}-${end}\r\n`;
    return Buffer.concat([head('302 Found', page.length, to), page]);
  }
  if (kind === 'refused') return Buffer.concat([head('503 Later', page.length), page]);
  const range = `Content-Range: bytes ${start}-${Number(end) - 1}/${FILE.size}\r\n`;
  const body = content.subarray(Number(start), Number(end));
  return Buffer.concat([head('206 Partial Content', body.length, range), body]);
}

async function send(socket: Socket, answer: Buffer, below: (limit: number) => number): Promise<void> {
  for (let rest = answer; rest.length > 0; ) {
    const piece = rest.subarray(0, 1 + below(below(2) === 0 ? 200 : 300_000));
    rest = rest.subarray(piece.length);
    if (!socket.write(piece)) await once(socket, 'drain');
    await turn();
  }
}

const mostMemories = 32;

test.each([
  ['to their ends', 1, ['part', 'redirected', 'refused']],
  ['to their ends, with another seed', 2, ['part', 'redirected', 'refused']],
  ['to their ends or only as far as needed', 3, ['part', 'redirected', 'refused', 'stopped']],
])('no byte that is still needed is overwritten: responses read %s', async (_what, seed, kinds) => {
  const below = chance(seed);
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (request) => void send(socket, answerTo(request.toString()), below).catch(() => {}));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pool = createReadPool();
  const agent = new Agent({ connect: pool.buildConnector({ allowH2: false }), connections: WORKERS });
  onTestFinished(async () => {
    await agent.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const memories = new Set<ArrayBufferLike>();

  async function fetchOne(): Promise<string> {
    const kind = kinds[below(kinds.length)] ?? 'part';
    const start = below(FILE.size - 1);
    const end = start + 1 + below(Math.min(FILE.size - start, below(2) === 0 ? 5_000 : FILE.size));
    const stopAfter = kind === 'stopped' ? below(end - start) : Number.POSITIVE_INFINITY;
    let position = start;
    let flowing: { stop(): void } | null = null;
    const kept: Promise<void>[] = [];
    const keep = async (chunk: Buffer, at: number) => {
      for (let turns = below(20); turns > 0; turns -= 1) await turn();
      expect(chunk.equals(content.subarray(at, at + chunk.length))).toBe(true);
      pool.release(chunk);
    };
    const url = `http://127.0.0.1:${port}/${kind === 'stopped' ? 'part' : kind}/${start}-${end}`;
    const request = { url, headers: {}, start, end, size: FILE.size, validator: '"v1"', isVerified: true, name: 'f' };
    const timeouts = { headersTimeoutMs: 60_000, stallTimeoutMs: 60_000 };
    const options = {
      dispatcher: agent,
      signal: new AbortController().signal,
      release: pool.release,
      ...timeouts,
    };
    const sink = {
      async start(_head: unknown, flow: { stop(): void }) {
        flowing = flow;
      },
      write(chunk: Buffer) {
        memories.add(chunk.buffer);
        kept.push(keep(chunk, position));
        position += chunk.length;
        if (position - start > stopAfter) flowing?.stop();
        return true;
      },
    };
    const outcome = await fetchRange(request, options, sink).then(
      () => 'came',
      () => 'refused',
    );
    await Promise.all(kept);
    if (kind !== 'stopped') expect(position - start).toBe(kind === 'refused' ? 0 : end - start);
    return outcome;
  }

  const outcomes: string[] = [];
  const work = async () => {
    for (let each = 0; each < REQUESTS / WORKERS; each += 1) outcomes.push(await fetchOne());
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  expect(new Set(outcomes)).toEqual(new Set(['came', 'refused']));
  // Heads and pages leave nothing behind; a connection that is given up leaves what it was reading into.
  if (!kinds.includes('stopped')) expect(memories.size).toBeLessThan(mostMemories);
});
