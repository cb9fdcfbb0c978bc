import { modelIdOf, newJobId, queenRoutes, RbeeError, relayedHeartbeatSchema, toErrorBody } from '@rbee/contract';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeHive, startFakeHive } from './support/fake-hive.ts';
import { api, queenIn, type RunningQueen } from './support/queen.ts';

// Goal: the responses of a queen for several hives. Method: a real queen over HTTP, with hives whose responses are scripted
// to, right or wrong.

const REF = `hf:org/repo@${'c'.repeat(40)}::file=x.gguf`;
const ID = modelIdOf(REF);
const at = (second: number) => `2026-01-01T00:00:0${second}.000Z`;
const model = (second: number) => ({
  model_id: ID,
  model_ref: REF,
  bytes: 5,
  files: 1,
  path: '/models/x.gguf',
  modified_at: at(second),
});
const detail = { ...model(1), file_list: [], gguf: null };
const refused = (code: 'MODEL_NOT_FOUND' | 'INTERNAL') => ({
  json: toErrorBody(new RbeeError(code, 'no'), 'r'),
  status: code === 'INTERNAL' ? 500 : 404,
});
const removed = { model_id: ID, model_ref: REF, freed_bytes: 5, shared_bytes: 0 };

/** So long a queen that stops waits for a silent hive. */
const PENDING_RESPONSES_MS = 100;

let folder: TempDir;
let hives: Record<string, FakeHive>;
let queen: RunningQueen;

beforeEach(async () => {
  folder = await tempDir();
  hives = { 'hive-a': await startFakeHive(), 'hive-b': await startFakeHive() };
  const named = Object.entries(hives);
  for (const [name, hive] of named) {
    hive.beat(name, { free_bytes: 5e12 });
    hive.serve('/v2/settings', { json: { max_bandwidth: null, max_concurrent_downloads: 3 } });
  }
  const known = named.map(([name, { url }]) => `${name}=${url}`).join(',');
  queen = await queenIn(folder.path, { RBEE_QUEEN_HIVES: known }, PENDING_RESPONSES_MS);
  await allOnline();
});
afterEach(async () => {
  await queen.close();
  for (const hive of Object.values(hives)) await hive.close();
  await folder.remove();
});

const named = (name: string): FakeHive => {
  const hive = hives[name];
  if (!hive) throw new Error(`there is no ${name}`);
  return hive;
};

async function allOnline(): Promise<void> {
  let isSo = false;
  const look = async () => {
    const { body } = await api('GET', `${queen.url}/v1/info`);
    isSo = body['hives_online'] === 2;
    if (!isSo) setTimeout(() => void look(), 10);
  };
  await look();
  await named('hive-a').waitFor(() => isSo, 'both hives to be online');
}

describe('a queen that stops', () => {
  it('does not wait for a silent hive: the client gets a response, and the queen ends', async () => {
    named('hive-a').serve(`GET /v2/models/${ID}`, { json: detail });
    named('hive-a').serve(`DELETE /v2/models/${ID}`, 'nothing');
    const answer = api('DELETE', `${queen.url}/v1/models/${ID}?hive_id=hive-a`);
    await named('hive-a').waitFor(
      () => named('hive-a').requests.some(({ method }) => method === 'DELETE'),
      'the request at the hive',
    );
    await queen.close();
    expect(await answer).toMatchObject({ status: 503, body: { error: { code: 'HIVE_UNAVAILABLE' } } });
    queen = await queenIn(folder.path);
  });
});

describe('the models of a fleet', () => {
  it('are listed with their hives, newest first, and a hive that fails hides none', async () => {
    const list = (second: number) => ({ json: { models: [model(second)], partials: [], problems: [] } });
    named('hive-a').serve('/v2/models', list(1));
    named('hive-b').serve('/v2/models', list(2));
    const both = await api('GET', `${queen.url}/v1/models`);
    expect((both.body['models'] as { hive_id: string }[]).map(({ hive_id }) => hive_id)).toEqual(['hive-b', 'hive-a']);
    named('hive-b').serve('/v2/models', refused('INTERNAL'));
    const one = await api('GET', `${queen.url}/v1/models`);
    expect(one).toMatchObject({
      status: 200,
      body: { models: [{ hive_id: 'hive-a' }], problems: [{ hive_id: 'hive-b', path: null, message: 'no' }] },
    });
  });

  it('are found at the hive that has them, and 404 names the hives that could not be reached', async () => {
    named('hive-a').serve(`/v2/models/${ID}`, refused('MODEL_NOT_FOUND'));
    named('hive-b').serve(`/v2/models/${ID}`, { json: detail });
    expect(await api('GET', `${queen.url}/v1/models/${ID}`)).toMatchObject({
      status: 200,
      body: { hive_id: 'hive-b' },
    });
    expect(await api('GET', `${queen.url}/v1/models/${ID}?hive_id=hive-a`)).toMatchObject({ status: 404 });
    named('hive-b').serve(`/v2/models/${ID}`, refused('INTERNAL'));
    expect(await api('GET', `${queen.url}/v1/models/${ID}`)).toMatchObject({
      status: 404,
      body: { error: { code: 'MODEL_NOT_FOUND', hint: 'these hives could not be reached: hive-b' } },
    });
  });

  it('are removed where only one hive holds them; of several, one has to be named', async () => {
    for (const hive of Object.values(hives)) {
      hive.serve(`GET /v2/models/${ID}`, { json: detail });
      hive.serve(`DELETE /v2/models/${ID}`, { json: removed });
    }
    const several = {
      error: { code: 'REQUEST_INVALID', message: `several hives hold the model ${ID}: hive-a, hive-b` },
    };
    expect(await api('DELETE', `${queen.url}/v1/models/${ID}`)).toMatchObject({ status: 400, body: several });
    const operation = { operation: 'model_delete', id: ID };
    expect(await api('POST', `${queen.url}/v1/jobs`, operation)).toMatchObject({ status: 400, body: several });
    const sent = () =>
      Object.values(hives).flatMap(({ requests }) => requests.filter(({ method }) => method === 'DELETE'));
    expect(sent()).toEqual([]);
    expect(await api('DELETE', `${queen.url}/v1/models/${ID}?hive_id=hive-b`)).toEqual({
      status: 200,
      body: { ...removed, hive_id: 'hive-b' },
    });
    named('hive-b').serve(`GET /v2/models/${ID}`, refused('MODEL_NOT_FOUND'));
    expect(await api('DELETE', `${queen.url}/v1/models/${ID}`)).toMatchObject({ body: { hive_id: 'hive-a' } });
  });

  it('are verified by every hive that holds them, and listed and pruned by all', async () => {
    named('hive-a').serve(`/v2/models/${ID}`, { json: detail });
    named('hive-b').serve(`/v2/models/${ID}`, refused('MODEL_NOT_FOUND'));
    const asked: string[] = [];
    const ask = async (path: string, body?: unknown) => {
      const job_id = newJobId();
      for (const [name, hive] of Object.entries(hives)) {
        hive.serve('POST /v1/jobs', { status: 202, json: { job_id, sse_url: `/v1/jobs/${job_id}/stream` } });
        hive.onRequest = ({ method, url }) => {
          if (method === 'POST' && url === '/v1/jobs') asked.push(name);
        };
      }
      expect((await api('POST', queen.url + path, body)).status).toBe(202);
      return asked.splice(0).sort();
    };
    expect(await ask(`/v1/models/${ID}/verify`)).toEqual(['hive-a']);
    expect(await ask(`/v1/models/${ID}/verify?hive_id=hive-b`)).toEqual(['hive-b']);
    expect(await ask('/v1/jobs', { operation: 'model_verify' })).toEqual(['hive-a', 'hive-b']);
    expect(await ask('/v1/jobs', { operation: 'model_prune', dry_run: true })).toEqual(['hive-a', 'hive-b']);
    expect(await ask('/v1/jobs', { operation: 'model_list' })).toEqual(['hive-a', 'hive-b']);
    expect(await ask('/v1/jobs', { operation: 'model_get', id: ID })).toEqual(['hive-a']);
    expect(await ask('/v1/jobs', { operation: 'model_plan', model: REF })).toHaveLength(1);
  });
});

describe('the history of a fleet', () => {
  it('is cleared on every hive, and the response has the sum', async () => {
    named('hive-a').serve('DELETE /v2/downloads', { json: { removed: 3 } });
    named('hive-b').serve('DELETE /v2/downloads', { json: { removed: 4 } });
    expect(await api('DELETE', `${queen.url}/v1/downloads`)).toMatchObject({ status: 200, body: { removed: 7 } });
  });

  it('is cleared where it can be, and the hive that could not is named', async () => {
    named('hive-a').serve('DELETE /v2/downloads', { json: { removed: 3 } });
    named('hive-b').serve('DELETE /v2/downloads', refused('INTERNAL'));
    expect(await api('DELETE', `${queen.url}/v1/downloads`)).toEqual({
      status: 200,
      body: { removed: 3, problems: [{ hive_id: 'hive-b', code: 'INTERNAL', message: 'no' }] },
    });
  });
});

describe('the heartbeats of a fleet', () => {
  it('come in one stream, with the queen that passes them on', async () => {
    const controller = new AbortController();
    const { body } = await fetch(`${queen.url}/v1/heartbeats/stream`, { signal: controller.signal });
    let text = '';
    const isThere = (name: string) => text.includes(`"hive_id":"${name}"`);
    for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      if (isThere('hive-a') && isThere('hive-b')) break;
    }
    controller.abort();
    const heartbeats = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) =>
      relayedHeartbeatSchema.parse(JSON.parse(data)),
    );
    expect(new Set(heartbeats.map(({ hive_id }) => hive_id))).toEqual(new Set(['hive-a', 'hive-b']));
    expect(new Set(heartbeats.map(({ orchestrator_id }) => orchestrator_id))).toEqual(new Set(['queen-1']));
  });
});

describe('the doctor of a fleet', () => {
  const check = { check: 'dns', status: 'ok', message: 'fine', duration_secs: 0.1 };
  const doctor = (query = '') => api('GET', `${queen.url}/v1/doctor${query}`);

  it('asks every hive, and has the error of one that cannot be reached', async () => {
    named('hive-a').serve('/v1/doctor', { json: { hive_id: 'hive-a', checks: [check] } });
    named('hive-b').serve('/v1/doctor', refused('INTERNAL'));
    const { status, body } = await doctor();
    expect(status).toBe(200);
    expect(queenRoutes.doctor.success.body.parse(body).hives).toEqual([
      { hive_id: 'hive-a', online: true, checks: [check] },
      { hive_id: 'hive-b', online: true, error: { code: 'INTERNAL', message: 'no' } },
    ]);
  });

  it('asks only the named hive', async () => {
    named('hive-b').serve('/v1/doctor', { json: { hive_id: 'hive-b', checks: [] } });
    expect((await doctor('?hive_id=hive-b')).body).toEqual({
      hives: [{ hive_id: 'hive-b', online: true, checks: [] }],
    });
    expect(named('hive-a').requests.some(({ url }) => url === '/v1/doctor')).toBe(false);
    expect(await doctor('?hive_id=hive-c')).toMatchObject({ status: 404, body: { error: { code: 'HIVE_NOT_FOUND' } } });
  });

  it('reports a hive that is gone, and another that responds in its place', async () => {
    await named('hive-a').close();
    named('hive-b').serve('/v1/doctor', { json: { hive_id: 'hive-z', checks: [check] } });
    const { hives } = queenRoutes.doctor.success.body.parse((await doctor()).body);
    expect(hives).toMatchObject([
      { hive_id: 'hive-a', error: { code: 'HIVE_UNAVAILABLE', hint: expect.stringContaining(named('hive-a').url) } },
      { hive_id: 'hive-b', error: { message: expect.stringContaining('calls itself hive-z') } },
    ]);
  });
});
