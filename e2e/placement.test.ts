import { afterEach, describe, expect, it } from 'vitest';
import { api, type Started, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { readStream, spoken } from './support/sse.ts';

// Goal: the queen understands a request in both forms, as options of the ref or as separate fields.
// Method: two real hives, of which the second downloads or holds something; by default the queen would choose the first.

const SIZE = 4 * 1024 * 1024;
const REPO = 'hf:org/quants';

let fleet: Fleet;
afterEach(() => fleet.close());

async function start(): Promise<void> {
  fleet = await startFleet({
    hiveIds: ['hive-a', 'hive-b'],
    hiveEnv: { RBEE_HIVE_ALLOWED_SOURCES: 'hf,http' },
  });
  const names = ['x.Q4_0.gguf', 'x.Q8_0.gguf', 'config.json', 'extra/one.bin', 'extra/two.bin'];
  fleet.hub.addRepo({
    id: 'org/quants',
    files: Object.fromEntries(names.map((name, seed) => [name, { size: SIZE, seed }])),
  });
}

/** The first line of a job: which hive, and why. */
async function choiceOf({ job_id }: Started): Promise<string | undefined> {
  const reader = await readStream(`${fleet.queen.url}/v1/jobs/${job_id}/stream`);
  await reader.waitFor(() => reader.events.length > 0, 'the first line');
  return spoken(reader.events)[0];
}

const ask = (fields: object, model = REPO) => startDownload(fleet.queen.url, model, { ...fields });

async function toEnd({ job_id }: Started): Promise<void> {
  const reader = await readStream(`${fleet.queen.url}/v1/jobs/${job_id}/stream`);
  await reader.waitFor(() => reader.ended, 'the end of the job');
  expect(reader.events.at(-1)?.data).toBe('[DONE]');
}

describe('a request whose fields select files of a model', () => {
  it('joins the download of the same selection, and no other', async () => {
    await start();
    fleet.hub.throttle(0);
    const { download_id } = await ask({ hive_id: 'hive-b', include: ['*Q8_0*'] });
    const inFields = await ask({ include: ['*Q8_0*'] });
    const inRef = await ask({}, `${REPO}::include=*Q8_0*`);
    expect([inFields.download_id, inRef.download_id]).toEqual([download_id, download_id]);
    expect(await choiceOf(inFields)).toBe('🐝 hive-b: already downloading the model');
    const jobs = (await api('GET', `${fleet.queen.url}/v1/jobs`)).body['jobs'] as Record<string, unknown>[];
    expect(jobs.map(({ model }) => model)).toEqual(Array(3).fill(`${REPO}::include=*Q8_0*`));
    expect(await choiceOf(await ask({ include: ['config.json'] }))).toMatch(/^🐝 hive-a: fewest active downloads/);
    for (const hive_id of ['*', ['hive-a', 'hive-b']]) {
      const both = await ask({ hive_id, include: ['*Q8_0*'] });
      expect(both).toMatchObject({ downloads: [{ hive_id: 'hive-a' }, { hive_id: 'hive-b', download_id }] });
    }
  });

  it('goes to the hive that holds the selection, and not to one that holds another', async () => {
    await start();
    await toEnd(await ask({ hive_id: 'hive-b', include: ['*Q8_0*'] }));
    await toEnd(await ask({ hive_id: 'hive-a', include: ['*Q4_0*'] }));
    await toEnd(await ask({ hive_id: 'hive-b', include: ['extra/*'] }));
    for (const include of [['*Q8_0*'], ['extra/*']]) {
      expect(await choiceOf(await ask({ include }))).toBe('🐝 hive-b: already has the model');
    }
    expect(await choiceOf(await ask({ include: ['*Q4_0*'] }))).toBe('🐝 hive-a: already has the model');
    expect(await choiceOf(await ask({}, `${REPO}::file=extra/one.bin`))).toBe('🐝 hive-b: already has the model');
  });

  it('joins the download of a URL with the same digest', async () => {
    await start();
    fleet.hub.throttle(0);
    const sha256 = 'a0'.repeat(32);
    const url = fleet.hub.resolveUrl('org/quants', 'x.Q8_0.gguf');
    const first = await ask({ hive_id: 'hive-b', sha256 }, url);
    expect((await ask({ sha256: sha256.toUpperCase() }, url)).download_id).toBe(first.download_id);
    expect((await ask({}, `${url}::sha256=${sha256}`)).download_id).toBe(first.download_id);
  });

  it('goes to the hive that holds a part of the repo from a cancelled download', async () => {
    await start();
    fleet.hub.throttle(SIZE / 4);
    const first = await ask({ hive_id: 'hive-b', include: ['*Q8_0*'] });
    const reader = await readStream(`${fleet.queen.url}/v1/downloads/${first.download_id}/stream`);
    await reader.waitFor(() => reader.events.some(({ data }) => /"bytes":[1-9]\d{5}/.test(data)), 'bytes');
    await api('DELETE', `${fleet.queen.url}/v1/jobs/${first.job_id}?partial=keep`);
    expect(await choiceOf(await ask({ include: ['*Q8_0*'] }))).toBe('🐝 hive-b: has a part of the model');
  });
});
