import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, readStream, spoken } from './support/sse.ts';

// Goal: with 20 concurrent jobs, each stream has its own heartbeats, with real byte counts, and no others. Method: every job
// downloads a file with its own name. Failure shows as a line that names another file, or a count that never rises.

const JOBS = 20;
const SIZE = 8 * 1024 * 1024;
const name = (index: number) => `model-${String(index).padStart(2, '0')}.gguf`;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet({ hiveEnv: { RBEE_HIVE_MAX_CONCURRENT_DOWNLOADS: String(JOBS) } });
  const files = Object.fromEntries(
    Array.from({ length: JOBS }, (_, index) => [name(index), { size: SIZE, seed: index }]),
  );
  fleet.hub.addRepo({ id: 'org/many', files });
  fleet.hub.throttle(1024 * 1024);
});
afterAll(() => fleet.close());

describe('heartbeats of 20 concurrent jobs', () => {
  it('reach their own stream, on the hive and through the queen', async () => {
    const jobs = await Promise.all(
      Array.from({ length: JOBS }, async (_, index) => {
        const { job_id } = await startDownload(fleet.queen.url, `hf:org/many::file=${name(index)}`);
        const hive = await readStream(`${fleet.hive.url}/v1/jobs/${job_id}/stream`);
        const queen = await readStream(`${fleet.queen.url}/v1/jobs/${job_id}/stream`);
        return { index, job_id, hive, queen };
      }),
    );
    const beats = (reader: (typeof jobs)[number]['hive']) =>
      spoken(reader.events).filter((line) => line.startsWith('⏳ Still downloading'));
    for (const { hive, index } of jobs) {
      await hive.waitFor(() => beats(hive).length >= 5, `heartbeats of job ${index}`, { timeoutMs: 30_000 });
    }
    fleet.hub.throttle(null);
    for (const { index, job_id, hive, queen } of jobs) {
      const events = await hive.toEnd();
      expect(spoken(events).at(-1), fleet.hive.program.stdout().slice(-3000)).toBe('[DONE]');
      for (const event of events.slice(0, -1)) expect(jsonOf(event)['job_id']).toBe(job_id);
      const own = beats(hive);
      for (const line of own) expect(line).toContain(name(index));
      const counted = own.map((line) => /\(([\d.]+ [kM]?B) \/ 8\.4 MB, [\d.]+%, [\d.]+ [kM]?B\/s\)$/.exec(line)?.[1]);
      expect(counted).not.toContain(undefined);
      expect(new Set(counted).size).toBeGreaterThan(1);
      expect(spoken(await queen.toEnd()).slice(1)).toEqual(spoken(events));
    }
  });
});
