import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';
import { canCompile, makeSyncShim, type SyncShim } from './support/sync-shim.ts';

// Goal: the thread that relays does not wait for the disk more often than it must. Method: a real queen under a shim that
// counts the syncs of its main thread and makes each take 8 ms, as on a hard disk. Times depend on the machine, so what is
// compared is the number of syncs.

const SYNC_MS = 8;
/** What the start of a queen, a hive's registration and the merging of the log may take. */
const OTHER_SYNCS = 12;

if (!canCompile) console.warn('SKIPPED: the tests of syncs need gcc');

describe.skipIf(!canCompile)('a queen on a slow disk', () => {
  let folder: TempDir;
  let shim: SyncShim;
  let fleet: Fleet;
  beforeEach(async () => {
    folder = await tempDir();
    shim = makeSyncShim(folder.path, SYNC_MS);
    fleet = await startFleet({
      queenEnv: { ...shim.env, RBEE_QUEEN_JOB_RATE: '1000' },
      hiveEnv: { RBEE_HIVE_MAX_CONCURRENT_DOWNLOADS: '8', RBEE_HIVE_JOB_RATE: '1000' },
    });
  });
  afterEach(async () => {
    await fleet.close();
    await folder.remove();
  });

  function model(n: number, size = 1_000): string {
    fleet.hub.addRepo({ id: `org/model-${n}`, files: { 'm.gguf': { size, seed: n } } });
    return `hf:org/model-${n}::file=m.gguf`;
  }

  async function isOver(jobId: string): Promise<void> {
    await (await readStream(`${fleet.queen.url}/v1/jobs/${jobId}/stream`)).toEnd();
  }

  it('[L4] syncs twice for a download, once at its start and once at its end', async () => {
    const [jobs, before] = [20, shim.count()];
    for (let n = 0; n < jobs; n += 1) await isOver((await startDownload(fleet.queen.url, model(n))).job_id);
    expect(shim.count() - before).toBeLessThanOrEqual(2 * jobs + OTHER_SYNCS);
    expect(shim.count() - before).toBeGreaterThanOrEqual(jobs);
  });

  it('[L4] does not sync for what it reads, lists and follows', async () => {
    const before = shim.count();
    for (let n = 0; n < 20; n += 1) {
      const { status, body } = await api('POST', `${fleet.queen.url}/v1/jobs`, { operation: 'model_list' });
      expect(status).toBe(202);
      await isOver(String(body['job_id']));
    }
    expect(shim.count() - before).toBeLessThanOrEqual(OTHER_SYNCS);
  });

  it('[L4] syncs no more than twice for each of 200 downloads that start together, and its streams continue', async () => {
    fleet.hub.throttle(100_000);
    const running = await startDownload(fleet.queen.url, model(1_000, 50_000_000));
    const reader = await readStream(`${fleet.queen.url}/v1/downloads/${running.download_id}/stream`);
    await reader.waitFor(() => reader.events.some((event) => jsonOf(event)['status'] === 'downloading'), 'bytes');
    const [before, events] = [shim.count(), reader.events.length];
    const started = await Promise.all(Array.from({ length: 200 }, (_, n) => startDownload(fleet.queen.url, model(n))));
    await Promise.all(started.map(({ job_id }) => isOver(job_id)));
    expect(shim.count() - before).toBeLessThanOrEqual(2 * started.length + OTHER_SYNCS);
    expect(reader.events.length).toBeGreaterThan(events);
    reader.leave();
  });
});
