import { hiveRoutes, newDownloadId, newJobId, pathOf, RbeeError, toErrorBody } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeFleet, startFakeFleet } from '../support/fake-fleet.ts';
import type { FakeHive } from '../support/fake-hive.ts';
import { api } from '../support/queen.ts';

// Goal: a job goes to a hive that takes it, and what a hive says of its end is not lost. Method: a real queen over HTTP, and
// two hives that accept, refuse, hang up or are stopping. hive-a comes first: it has fewer active downloads.

let fleet: FakeFleet;
let a: FakeHive;
let b: FakeHive;
beforeEach(async () => {
  fleet = await startFakeFleet(['hive-a', 'hive-b']);
  [a, b] = [fleet.hive('hive-a'), fleet.hive('hive-b')];
});
afterEach(() => fleet.close());

const refusal = (code: ConstructorParameters<typeof RbeeError>[0]) => {
  const error = new RbeeError(code, 'no', { hint: 'do this' });
  return { json: toErrorBody(error, 'r'), status: error.httpStatus };
};

/** A hive that accepts a job with a download. */
function accepting(hive: FakeHive, jobId: string): void {
  const download_id = newDownloadId();
  hive.serve('POST /v1/jobs', {
    status: 202,
    json: { job_id: jobId, sse_url: '/s', download_id, download_sse_url: '/d' },
  });
  hive.serve(`/v1/jobs/${jobId}/stream`, hive.channel());
  hive.serve(pathOf(hiveRoutes.streamDownload, { id: download_id }), hive.channel());
}

const post = (job_id: string, more: object = {}) =>
  api('POST', `${fleet.queen.url}/v1/jobs`, {
    operation: 'model_download',
    model: 'hf:org/repo::file=x',
    job_id,
    ...more,
  });
const hivesOf = async (id: string) => {
  const { body } = await api('GET', `${fleet.queen.url}/v1/jobs/${id}`);
  return (body['downloads'] as { hive_id: string }[]).map(({ hive_id }) => hive_id);
};
const posts = (hive: FakeHive) => hive.requests.filter(({ method }) => method === 'POST').length;

describe('a job whose hive does not take it', () => {
  it.each(['HIVE_UNAVAILABLE', 'RATE_LIMITED', 'STATE_UNAVAILABLE', 'DISK_FULL', 'SOURCE_NOT_ALLOWED'] as const)(
    '[L1] goes to the next one, after %s',
    async (code) => {
      const id = newJobId();
      a.serve('POST /v1/jobs', refusal(code));
      accepting(b, id);
      expect((await post(id)).status).toBe(202);
      expect([await hivesOf(id), posts(a), posts(b)]).toEqual([['hive-b'], 1, 1]);
    },
  );

  it('[L1] goes to the next one where it hangs up, and gets a cancel there, since it may have the job', async () => {
    const id = newJobId();
    a.serve('POST /v1/jobs', 'hang up');
    a.serve(`DELETE /v1/jobs/${id}`, { json: { job_id: id, status: 'cancelled', downloads: [] } });
    accepting(b, id);
    expect((await post(id)).status).toBe(202);
    expect(await hivesOf(id)).toEqual(['hive-b']);
    await a.waitFor(() => a.requests.some(({ method }) => method === 'DELETE'), 'the cancel');
  });

  it.each(['MODEL_REF_INVALID', 'STATUS_CONFLICT'] as const)(
    '[L1] is refused where the request itself is the reason: %s',
    async (code) => {
      const id = newJobId();
      a.serve('POST /v1/jobs', refusal(code));
      accepting(b, id);
      expect((await post(id)).body).toMatchObject({ error: { code, hint: 'do this' } });
      expect(posts(b)).toBe(0);
    },
  );

  it('[L1] is refused where no hive takes it, with what a hive said', async () => {
    a.serve('POST /v1/jobs', 'hang up');
    b.serve('POST /v1/jobs', refusal('DISK_FULL'));
    expect((await post(newJobId())).body).toMatchObject({ error: { code: 'DISK_FULL', hint: 'do this' } });
  });

  it('[L1] goes to no other than the hive that it names', async () => {
    const id = newJobId();
    a.serve('POST /v1/jobs', refusal('HIVE_UNAVAILABLE'));
    accepting(b, id);
    expect((await post(id, { hive_id: 'hive-a' })).status).toBe(503);
    expect(posts(b)).toBe(0);
  });
});

describe('a hive that is stopping', () => {
  beforeEach(async () => {
    fleet.beat('hive-a', { draining: true });
    const isStopping = async () =>
      ((await api('GET', `${fleet.queen.url}/v1/hives`)).body['hives'] as { draining?: boolean }[])[0]?.draining ===
      true;
    while (!(await isStopping()));
  });

  it('[L1] gets no job that names no hive', async () => {
    const id = newJobId();
    accepting(b, id);
    expect((await post(id)).status).toBe(202);
    expect([posts(a), posts(b)]).toEqual([0, 1]);
  });

  it('[L1] is left out where all hives are meant', async () => {
    const id = newJobId();
    accepting(b, id);
    await post(id, { hive_id: '*' });
    expect(await hivesOf(id)).toEqual(['hive-b']);
  });

  it('[L1] is named in the refusal of a job that names it', async () => {
    expect((await post(newJobId(), { hive_id: 'hive-a' })).body).toMatchObject({
      error: { code: 'HIVE_UNAVAILABLE', message: 'stopping: hive-a' },
    });
  });
});

describe('an operation that fails at its hive', () => {
  it('[K7] keeps its code, its hint and its details', async () => {
    const id = newJobId();
    const failure = {
      code: 'MODEL_NOT_FOUND',
      message: 'the repo has no GGUF of the quantisation',
      hint: 'choose one of Q4_K_M, Q8_0',
      details: { choices: ['Q4_K_M', 'Q8_0'] },
    };
    a.serve('POST /v1/jobs', { status: 202, json: { job_id: id, sse_url: '/s' } });
    const stream = a.channel();
    stream.publish({ data: `[ERROR] ${failure.message}` }, 'terminal');
    a.serve(`/v1/jobs/${id}/stream`, stream);
    const times = { created_at: '2026-01-01T00:00:00.000Z', ended_at: '2026-01-01T00:00:01.000Z' };
    const job = { job_id: id, operation: 'model_plan', state: 'failed', model: 'hf:org/repo', sse_url: '/s', ...times };
    a.serve(`GET /v1/jobs/${id}`, { json: { ...job, downloads: [], error: failure } });
    await post(id, { operation: 'model_plan' });
    await expect
      .poll(async () => (await api('GET', `${fleet.queen.url}/v1/jobs/${id}`)).body['error'], { timeout: 30_000 })
      .toEqual(failure);
  });

  it('[L12] passes over lines that make no sense', async () => {
    const id = newJobId();
    a.serve('POST /v1/jobs', { status: 202, json: { job_id: id, sse_url: '/s' } });
    const stream = a.channel();
    a.serve(`/v1/jobs/${id}/stream`, stream);
    await post(id, { operation: 'model_plan' });
    await a.waitFor(() => a.requests.some(({ url }) => url === `/v1/jobs/${id}/stream`), 'the queen to follow');
    const line = {
      job_id: id,
      action: 'x',
      human: 'good',
      actor: 'hive-a',
      at: '2026-01-01T00:00:00.000Z',
      level: 'info',
    };
    for (const data of ['{', '[]', '{"human":5}', JSON.stringify({ ...line, job_id: newJobId(), human: 'bad' })])
      stream.publish({ event: 'narration', data }, 'keep');
    stream.publish({ event: 'narration', data: JSON.stringify(line) }, 'keep');
    stream.publish({ data: '[DONE]' }, 'terminal');
    const text = await (await fetch(`${fleet.queen.url}/v1/jobs/${id}/stream`)).text();
    expect(text).toContain('good');
    expect(text).not.toMatch(/bad|"human":5|data: \{$|data: \[\]/m);
    expect(text).toContain('data: [DONE]');
  });
});
