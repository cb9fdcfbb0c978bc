import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from './support/api.ts';
import { canMount, faultsOf, followToEnd, newestOf, pick, type Random, randomOf } from './support/chaos.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { terminalsOf, type WireEvent } from './support/sse.ts';

// Goal: whatever happens to its programs, a download has exactly one end, which is its hive's; every receipt is true; and
// nobody downloads for nobody. Method: a queen and three hives, and in each run downloads in the middle of kills, frozen
// programs, strangers at a hive's address, moves and a full disk, all chosen by a seed. RBEE_CHAOS_RUNS=200 runs more.

const RUNS = Number(process.env['RBEE_CHAOS_RUNS'] ?? 4);
const SEED = Number(process.env['RBEE_CHAOS_SEED'] ?? 1);
const HIVES = ['hive-a', 'hive-b', 'hive-c'];
const SIZE = 3_000_000;
const BYTES_PER_SECOND = 2_000_000;
const WAIT = { timeout: 90_000, interval: 100 };

let fleet: Fleet;
let disk: TempDir;
let stateDir: string;
const pids = new Set<number>();

beforeAll(async () => {
  disk = await tempDir();
  stateDir = join(disk.path, 'state');
  mkdirSync(stateDir);
  if (canMount) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'none', stateDir]);
  fleet = await startFleet({
    hiveIds: HIVES,
    queenEnv: { RBEE_QUEEN_STATE_DIR: stateDir },
    hiveEnv: { RBEE_HIVE_RETRY_BASE_DELAY: '20ms' },
  });
  remember();
});
afterAll(async () => {
  await fleet.close();
  if (canMount) execFileSync('umount', ['--lazy', stateDir]);
  await disk.remove();
  expect([...pids].filter(isAlive)).toEqual([]);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function remember(): void {
  for (const { program } of [...fleet.hives, fleet.queen]) pids.add(program.pid);
}

interface Tried {
  readonly jobId: string;
  readonly hiveId: string;
  /** Null when the start was refused. */
  downloadId: string | null;
  receipts: Record<string, unknown>[] | null;
  events: Promise<WireEvent[]>;
}

let models = 0;

async function start(random: Random, isOver: () => boolean): Promise<Tried> {
  models += 1;
  const [jobId, hiveId, repo] = [`job-${randomUUID()}`, pick(random, HIVES), `org/chaos-${models}`];
  fleet.hub.addRepo({ id: repo, files: { 'm.gguf': { size: SIZE, seed: models } } });
  const tried: Tried = { jobId, hiveId, downloadId: null, receipts: null, events: Promise.resolve([]) };
  const body = { operation: 'model_download', model: `hf:${repo}::file=m.gguf`, hive_id: hiveId, job_id: jobId };
  try {
    const response = await api('POST', `${fleet.queen.url}/v1/jobs`, body);
    if (response.status === 202) tried.downloadId = (response.body['download_id'] as string | undefined) ?? null;
  } catch {
    // The queen is away.
  }
  const { downloadId } = tried;
  if (downloadId !== null)
    tried.events = followToEnd(() => `${fleet.queen.url}/v1/downloads/${downloadId}/stream`, isOver);
  return tried;
}

async function cancel(tried: Tried): Promise<void> {
  try {
    const { status, body } = await api('DELETE', `${fleet.queen.url}/v1/jobs/${tried.jobId}`);
    if (status === 200) tried.receipts = body['downloads'] as Record<string, unknown>[];
  } catch {
    // The queen is away: nobody has promised anything.
  }
}

const ENDED = ['complete', 'failed', 'cancelled'];
const END_OF: Readonly<Record<string, string>> = { complete: 'complete', failed: 'error', cancelled: 'cancelled' };

const statusAtHive = async ({ hiveId, downloadId }: Tried) =>
  (await api('GET', `${newestOf(fleet, hiveId).url}/v2/downloads/${downloadId}`).catch(() => ({ body: {} as never })))
    .body['status'];

/** One end, the hive's; the queen's job agrees; the receipts were true. */
async function expectOneEnd(tried: Tried): Promise<void> {
  await expect.poll(() => statusAtHive(tried), WAIT).toSatisfy((status) => ENDED.includes(String(status)));
  const status = String(await statusAtHive(tried));
  const events = await tried.events;
  const ends = events.filter(({ event }) => Object.values(END_OF).includes(event));
  expect(new Set(terminalsOf(events)), JSON.stringify(ends)).toEqual(new Set([END_OF[status]]));
  expect(new Set(ends.map(({ data }) => data)).size).toBe(1);
  expect(events.at(-1)).toBe(ends.at(-1));
  for (const receipt of tried.receipts ?? []) {
    if (receipt['state'] === 'stopped') expect([status, receipt['partial']]).toEqual(['cancelled', 'kept']);
    // It may have ended before the cancel that was kept for it arrived.
    if (receipt['state'] === 'unreachable') expect(['cancelled', 'complete']).toContain(status);
  }
  const state = async () => (await api('GET', `${fleet.queen.url}/v1/jobs/${tried.jobId}`)).body['state'];
  const wanted =
    tried.receipts === null ? { complete: 'completed', failed: 'failed', cancelled: 'cancelled' }[status] : null;
  if (wanted != null) await expect.poll(state, WAIT).toBe(wanted);
}

/** A start without a good response leaves nothing that runs. */
async function expectNothingRuns({ jobId, hiveId }: Tried): Promise<void> {
  const state = async () =>
    (await api('GET', `${newestOf(fleet, hiveId).url}/v1/jobs/${jobId}`)).body['state'] ?? 'none';
  await expect.poll(state, WAIT).toSatisfy((found) => !['queued', 'running'].includes(String(found)));
}

async function online(): Promise<number> {
  const { hives } = (await api('GET', `${fleet.queen.url}/v1/hives`)).body as { hives: { online: boolean }[] };
  return hives.filter((hive) => hive.online).length;
}

describe('three hives and a queen', () => {
  it.each(Array.from({ length: RUNS }, (_, n) => SEED + n))(
    'end each download once in chaos %i',
    {
      timeout: 300_000,
    },
    async (seed) => {
      const random = randomOf(seed);
      fleet.hub.throttle(BYTES_PER_SECOND);
      let isOver = false;
      const tried: Tried[] = [];
      try {
        await expect.poll(online, WAIT).toBe(HIVES.length);
        for (let n = 0; n < 3; n += 1) tried.push(await start(random, () => isOver));
        expect(tried.filter(({ downloadId }) => downloadId === null)).toEqual([]);
        const faults = faultsOf(fleet, HIVES, stateDir);
        const names = [pick(random, Object.keys(faults)), pick(random, Object.keys(faults))];
        console.info(`chaos ${seed}: ${names.join(', then ')}`);
        for (const name of names) {
          const fault = faults[name]?.(random);
          const late = start(random, () => isOver);
          const first = tried[0];
          if (first !== undefined && random() < 0.5) await cancel(first);
          await fault;
          tried.push(await late);
        }
        remember();
        fleet.hub.throttle(null);
        await Promise.all(tried.map((one) => (one.downloadId === null ? expectNothingRuns(one) : expectOneEnd(one))));
      } finally {
        isOver = true;
      }
    },
  );
});
