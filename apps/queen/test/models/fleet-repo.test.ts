import { type FleetRepo, modelIdOf, type Repo } from '@rbee/contract';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeHive, startFakeHive } from '../support/fake-hive.ts';
import { api, queenIn, type RunningQueen } from '../support/queen.ts';

const REF = 'hf:org/model';
const GiB = 2 ** 30;
const DIGEST = 'ab'.repeat(32);
const ID = modelIdOf('hf:org/model@x::file=m-Q4_0.gguf');

let folder: TempDir;
let queen: RunningQueen;
let hives: FakeHive[];
beforeEach(async () => {
  folder = await tempDir();
  hives = await Promise.all([startFakeHive(), startFakeHive(), startFakeHive()]);
  for (const [index, hive] of hives.entries()) {
    holds(hive, {});
    hive.beat(`hive-${index}`, { free_bytes: 3 * GiB, downloads: downloads(index) });
  }
  const named = hives.map(({ url }, index) => `hive-${index}=${url}`).join(',');
  queen = await queenIn(folder.path, { RBEE_QUEEN_HIVES: named });
  await expect.poll(async () => online(), { timeout: 20_000 }).toBe(3);
});
afterEach(async () => {
  await queen.close();
  await Promise.all(hives.map((hive) => hive.close()));
  await folder.remove();
});

/** The first hive is the least busy one. */
function downloads(downloading: number) {
  return { queued: 0, starting: 0, downloading, verifying: 0, paused: 0, complete: 0, failed: 0, cancelled: 0 };
}

async function online(): Promise<number> {
  const { body } = await api('GET', `${queen.url}/v1/hives`);
  return (body['hives'] as { online: boolean }[]).filter((hive) => hive.online).length;
}

function holds(hive: FakeHive, { models = [], partials = [] }: { models?: unknown[]; partials?: unknown[] }): void {
  hive.serve('/v2/models', { json: { models, partials, problems: [] } });
}

const at = '2026-01-02T03:04:05.000Z';
const model = (model_id: string, sha256: string | null) => {
  return {
    model_id,
    model_ref: 'hf:org/model@y::file=m-Q4_0.gguf',
    bytes: GiB,
    files: 1,
    sha256,
    path: '/m',
    modified_at: at,
  };
};
const partial = (digest: string, bytes: number) => {
  return {
    path: `/models/models--org--model/blobs/${digest}.rbee-partial`,
    origin: REF,
    bytes,
    total: GiB,
    modified_at: at,
  };
};

function repoOf(hive_id: string): Repo {
  const choice = { quantisation: 'Q4_0', projector: null, sha256: DIGEST, present_bytes: 0, files: 1 };
  return {
    ...{ hive_id, model_ref: REF, repo: 'org/model', revision: 'main', commit: 'c'.repeat(40) },
    ...{ gated: false, private: false, problem: null, files_total: 1, bytes: GiB, free_bytes: 9 * GiB },
    choices: [
      {
        ...choice,
        name: 'Q4_0',
        model_ref: `${REF}:Q4_0`,
        model_id: ID,
        chosen: true,
        bytes: GiB,
        needed_bytes: GiB,
        fits: true,
      },
    ],
    files: [
      {
        path: 'm-Q4_0.gguf',
        bytes: GiB,
        sha256: DIGEST,
        present_bytes: 0,
        kind: 'model',
        choice: 'Q4_0',
        problem: null,
      },
    ],
  };
}

const PATH = `/v2/repo?ref=${encodeURIComponent(REF)}`;
const answers = (index: number, more: Partial<Repo> = {}) =>
  hives[index]?.serve(PATH, { json: { ...repoOf(`hive-${index}`), ...more } });
function refuses(index: number, path: string, status: number, code: string, hint?: string): void {
  const error = { code, message: `${code} of hive-${index}`, request_id: 'r', ...(hint === undefined ? {} : { hint }) };
  hives[index]?.serve(path, { status, json: { error } });
}
const asked = (path: string) => hives.map(({ requests }) => requests.filter(({ url }) => url === path).length);

async function fleetRepo(query = ''): Promise<FleetRepo> {
  const { status, body } = await api('GET', `${queen.url}/v1/repo?ref=${encodeURIComponent(REF)}${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body as unknown as FleetRepo;
}

const atHives = ({ choices }: FleetRepo) =>
  choices[0]?.hives.map(({ on_disk, present_bytes, fits }) => [on_disk, present_bytes, fits]);

describe('GET /v1/repo', () => {
  it('asks one hive only, and says what each has and has room for', async () => {
    answers(0);
    const repo = await fleetRepo();
    expect(repo).toMatchObject({ hive_id: 'hive-0', repo: 'org/model', problems: [] });
    expect(atHives(repo)).toEqual([
      ['none', 0, true],
      ['none', 0, true],
      ['none', 0, true],
    ]);
    expect(asked(PATH)).toEqual([1, 0, 0]);
  });

  it('knows a model by its id, by the digest of its only file, and a partial by the digest', async () => {
    answers(0, {
      choices: repoOf('hive-0').choices.map((choice) => ({ ...choice, needed_bytes: 0, present_bytes: GiB })),
    });
    holds(hives[1] as FakeHive, { models: [model(ID, null)] });
    holds(hives[2] as FakeHive, { models: [model('m-000000000000', DIGEST)] });
    expect(atHives(await fleetRepo())?.map(([state]) => state)).toEqual(['complete', 'complete', 'complete']);
    holds(hives[1] as FakeHive, {
      models: [model('m-000000000000', 'cd'.repeat(32))],
      partials: [partial('cd'.repeat(32), 9)],
    });
    holds(hives[2] as FakeHive, { partials: [partial(DIGEST, 77)] });
    expect(atHives(await fleetRepo())?.slice(1)).toEqual([
      ['none', 0, true],
      ['partial', 77, true],
    ]);
  });

  it('says where it does not fit', async () => {
    answers(0, { choices: repoOf('hive-0').choices.map((choice) => ({ ...choice, bytes: 3 * GiB })) });
    expect(atHives(await fleetRepo())?.slice(1)).toEqual([
      ['none', 0, false],
      ['none', 0, false],
    ]);
  });

  it('asks the next hive where one fails', async () => {
    refuses(0, PATH, 502, 'SOURCE_UNAVAILABLE');
    answers(1);
    expect((await fleetRepo()).hive_id).toBe('hive-1');
    expect(asked(PATH)).toEqual([1, 1, 0]);
  });

  it('asks a hive that has a token after one that has none', async () => {
    refuses(0, PATH, 502, 'MODEL_TOKEN_MISSING');
    refuses(1, PATH, 404, 'MODEL_NOT_FOUND');
    answers(2);
    expect((await fleetRepo()).hive_id).toBe('hive-2');
  });

  it('keeps code and hint of the first hive that says something about the model', async () => {
    refuses(0, PATH, 502, 'SOURCE_UNAVAILABLE');
    refuses(1, PATH, 502, 'MODEL_GATED', 'accept the terms');
    refuses(2, PATH, 404, 'MODEL_NOT_FOUND');
    expect(await api('GET', `${queen.url}/v1/repo?ref=${encodeURIComponent(REF)}`)).toMatchObject({
      status: 502,
      body: { error: { code: 'MODEL_GATED', message: 'MODEL_GATED of hive-1', hint: 'accept the terms' } },
    });
  });

  it('asks nobody else about a malformed ref', async () => {
    refuses(0, '/v2/repo?ref=x', 400, 'MODEL_REF_INVALID');
    expect(await api('GET', `${queen.url}/v1/repo?ref=x`)).toMatchObject({
      status: 400,
      body: { error: { code: 'MODEL_REF_INVALID' } },
    });
    expect(asked('/v2/repo?ref=x')).toEqual([1, 0, 0]);
  });

  it('takes the hive that is named', async () => {
    answers(2);
    const repo = await fleetRepo('&hive_id=hive-2');
    expect([repo.hive_id, repo.choices[0]?.hives.length]).toEqual(['hive-2', 1]);
  });

  it('says that hives of an older version cannot look', async () => {
    for (const index of hives.keys()) refuses(index, PATH, 404, 'ROUTE_NOT_FOUND');
    expect(await api('GET', `${queen.url}/v1/repo?ref=${encodeURIComponent(REF)}`)).toMatchObject({
      status: 503,
      body: { error: { code: 'HIVE_UNAVAILABLE', hint: /update the hives/ } },
    });
  });

  it('lists a hive that does not list its models as unknown', async () => {
    answers(0);
    hives[2]?.serve('/v2/models', 500);
    const repo = await fleetRepo();
    expect(atHives(repo)?.[2]).toEqual(['unknown', null, null]);
    expect(repo.problems).toMatchObject([{ hive_id: 'hive-2', code: 'HIVE_UNAVAILABLE' }]);
  });
});

describe('GET /v1/search', () => {
  const path = '/v2/search?q=qwen+gguf&limit=5';
  const found = { hive_id: 'hive-1', models: [] };

  it('is answered by the next hive where one cannot reach its hub', async () => {
    refuses(0, path, 502, 'DOWNLOAD_TIMEOUT');
    hives[1]?.serve(path, { json: found });
    expect(await api('GET', `${queen.url}/v1/search?q=qwen+gguf&limit=5`)).toEqual({ status: 200, body: found });
  });

  it('has the error of a hive where none can', async () => {
    for (const index of hives.keys()) refuses(index, path, 502, 'SOURCE_UNAVAILABLE', 'check HF_ENDPOINT');
    expect(await api('GET', `${queen.url}/v1/search?q=qwen+gguf&limit=5`)).toMatchObject({
      status: 502,
      body: { error: { code: 'SOURCE_UNAVAILABLE', hint: 'check HF_ENDPOINT' } },
    });
  });
});
