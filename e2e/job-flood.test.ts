import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';

// Goal: no client can fill the memory of a daemon with jobs. Method: real daemons with small limits, and more concurrent
// requests than they accept; the hub holds all bodies, so that no job ends by itself.

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet({
    hiveEnv: { RBEE_HIVE_MAX_OPEN_JOBS: '4', RBEE_HIVE_JOB_RATE: '1000' },
    queenEnv: { RBEE_QUEEN_MAX_OPEN_JOBS: '2', RBEE_QUEEN_JOB_RATE: '5' },
  });
  fleet.hub.throttle(0);
});
afterAll(() => fleet?.close());

function model(n: number): string {
  fleet.hub.addRepo({ id: `org/model-${n}`, files: { 'm.gguf': { size: 1_000_000, seed: n } } });
  return `hf:org/model-${n}::file=m.gguf`;
}

async function ask(url: string, n: number) {
  const answer = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ operation: 'model_download', model: model(n) }),
  });
  const body = (await answer.json()) as { job_id?: string; error?: { code: string } };
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), ...body };
}

async function openJobs(url: string): Promise<string[]> {
  const { body } = await api('GET', `${url}/v1/jobs`);
  const jobs = body['jobs'] as { job_id: string; state: string }[];
  return jobs.filter(({ state }) => state === 'running' || state === 'queued').map(({ job_id }) => job_id);
}

describe('a flood of jobs', () => {
  it('fills a queen to its limit and no further, and leaves no job at the hive that the queen does not know', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => ask(fleet.queen.url, n)));
    const taken = answers.filter(({ status }) => status === 202);
    const refused = answers.filter(({ status }) => status === 429);
    expect([taken.length, refused.length]).toEqual([2, 6]);
    for (const { error, retryAfter } of refused) {
      expect(error?.code).toBe('RATE_LIMITED');
      expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
    }
    const ids = taken.map(({ job_id }) => job_id).sort();
    expect((await openJobs(fleet.queen.url)).sort()).toEqual(ids);
    expect((await openJobs(fleet.hive.url)).sort()).toEqual(ids);
  });

  it('fills a hive to its limit, and is over when a job ends', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, (_, n) => ask(fleet.hive.url, 100 + n)));
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 202, 429, 429, 429]);
    const own = answers.find(({ status }) => status === 202)?.job_id;
    expect((await api('DELETE', `${fleet.hive.url}/v1/jobs/${own}`)).status).toBe(200);
    await startDownload(fleet.hive.url, model(200));
    expect((await ask(fleet.hive.url, 201)).status).toBe(429);
  });

  it('that a hive refuses is refused by the queen with the same error', async () => {
    const [one] = await openJobs(fleet.queen.url);
    expect((await api('DELETE', `${fleet.queen.url}/v1/jobs/${one}`)).status).toBe(200);
    await startDownload(fleet.hive.url, model(300));
    const before = await openJobs(fleet.queen.url);
    expect(await ask(fleet.queen.url, 301)).toMatchObject({ status: 429, error: { code: 'RATE_LIMITED' } });
    expect(await openJobs(fleet.queen.url)).toEqual(before);
  });

  it('from one client is rate limited before it reaches any hive', async () => {
    const list = () =>
      fetch(`${fleet.queen.url}/v1/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"operation":"model_list"}',
      });
    const answers = await Promise.all(Array.from({ length: 40 }, list));
    const messages = await Promise.all(answers.map((answer) => answer.text()));
    // At most 20 in four seconds, whatever was requested before.
    expect(messages.filter((text) => text.includes('jobs per second')).length).toBeGreaterThanOrEqual(20);
    expect((await fetch(`${fleet.queen.url}/health`)).status).toBe(200);
  });
});
