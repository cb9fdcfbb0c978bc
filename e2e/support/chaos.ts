import { execFileSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Fleet, Hive } from './fleet.ts';
import { readStream, terminalsOf, type WireEvent } from './sse.ts';

/** Random numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const canMount = ((): boolean => {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

const json = { 'content-type': 'application/json' };
const errorOf = (code: string) => JSON.stringify({ error: { code, message: 'm', request_id: 'r' } });

/** What may respond at the address of a hive that is away. */
const STRANGERS: readonly RequestListener[] = [
  (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>router</h1>'),
  (_, response) => response.writeHead(204).end(),
  (_, response) => response.writeHead(401).end(),
  (_, response) => response.writeHead(403).end(),
  (_, response) => response.writeHead(502).end(),
  (_, response) => response.writeHead(302, { location: '/login' }).end(),
  ({ socket }) => socket.resetAndDestroy(),
  ({ url }, response) =>
    response.writeHead(404, json).end(errorOf(url?.includes('jobs') ? 'JOB_NOT_FOUND' : 'DOWNLOAD_NOT_FOUND')),
];

interface Stranger {
  leave(): Promise<void>;
}

async function startStranger(port: number, listener: RequestListener): Promise<Stranger> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    leave: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Follows a stream over every loss of its connection, as a browser does, until it has ended. */
export async function followToEnd(url: () => string, isOver: () => boolean): Promise<WireEvent[]> {
  const events: WireEvent[] = [];
  while (!isOver()) {
    try {
      const reader = await readStream(url());
      await reader.waitFor(() => reader.ended || reader.broken || isOver(), 'the end', { timeoutMs: 120_000 });
      reader.leave();
      events.push(...reader.events);
      if (terminalsOf(reader.events).length > 0) return events;
    } catch {
      // The queen is away.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return events;
}

export type Random = () => number;
export const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;

/** The newest process of a hive. */
export function newestOf(fleet: Fleet, id: string): Hive {
  const hive = fleet.hives.findLast((one) => one.id === id);
  if (!hive) throw new Error(`no hive ${id}`);
  return hive;
}

/** What can happen to a fleet, each with its own end. */
export function faultsOf(
  fleet: Fleet,
  hiveIds: readonly string[],
  stateDir: string,
): Readonly<Record<string, (random: Random) => Promise<void>>> {
  const anyHive = (random: Random) => newestOf(fleet, pick(random, hiveIds));
  return {
    async 'a hive is killed'(random) {
      const hive = anyHive(random);
      await hive.program.kill();
      await delay(random() * 1_000);
      await fleet.restart(hive);
    },
    async 'a hive moves'(random) {
      const hive = anyHive(random);
      await hive.program.kill();
      await fleet.restart(hive, 'elsewhere');
    },
    async 'a hive is frozen'(random) {
      const { program } = anyHive(random);
      process.kill(program.pid, 'SIGSTOP');
      await delay(random() * 6_000);
      process.kill(program.pid, 'SIGCONT');
    },
    async 'a stranger has the address of a hive'(random) {
      const hive = anyHive(random);
      await hive.program.kill();
      const stranger = await startStranger(Number(new URL(hive.url).port), pick(random, STRANGERS));
      await delay(random() * 4_000);
      await stranger.leave();
      await fleet.restart(hive);
    },
    async 'the queen is killed'() {
      await fleet.queen.program.kill();
      await fleet.restartQueen();
    },
    async 'the queen is frozen'(random) {
      const { program } = fleet.queen;
      process.kill(program.pid, 'SIGSTOP');
      await delay(random() * 3_000);
      process.kill(program.pid, 'SIGCONT');
    },
    ...(canMount
      ? {
          async 'the disk of the queen is full'(random: Random) {
            await fillWhile(stateDir, Math.floor(random() * 4), () => delay(random() * 3_000));
          },
        }
      : {}),
  };
}

/** Leaves no more than a few blocks while `work` lasts. */
async function fillWhile(folder: string, blocks: number, work: () => Promise<unknown>): Promise<void> {
  const filler = join(folder, 'filler');
  const { bavail, bsize } = statfsSync(folder);
  try {
    writeFileSync(filler, Buffer.alloc(Math.max(0, bavail - blocks) * bsize));
  } catch {
    // Others wrote meanwhile: it is full.
  }
  await work();
  rmSync(filler, { force: true });
}
