import { open, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  modelDetailSchema,
  modelIdOf,
  modelListSchema,
  modelPlanSchema,
  modelRemovedSchema,
  modelsPrunedSchema,
  modelVerifiedSchema,
} from '@rbee/contract';
import { makeSampleGguf, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { follow, startTestHive, type TestHive } from './support.ts';

const GGUF = makeSampleGguf({ size: 3_000_000, seed: 7 });
const MODEL = 'hf:org/model::file=model-F16.gguf';

let hive: TestHive;
let commit: string;
let sha256: string;
beforeEach(async () => {
  hive = await startTestHive();
  const repo = hive.hub.addRepo({
    id: 'org/model',
    files: {
      'model-F16.gguf': GGUF,
      'broken.gguf': Buffer.alloc(1_000, 'no GGUF'),
      'config.json': Buffer.from('{}'),
      'part-00001-of-00002.gguf': GGUF,
      'part-00002-of-00002.gguf': GGUF,
    },
  });
  commit = repo.commit;
  sha256 = repo.files.find(({ path }) => path === 'model-F16.gguf')?.sha256 ?? '';
});
afterEach(() => hive.close());

const pinned = () => `hf:org/model@${commit}::file=model-F16.gguf`;
const download = (model = MODEL) => hive.run({ operation: 'model_download', model });
const bodyRequests = () => hive.hub.requests.filter(({ server, method }) => server === 'cdn' && method === 'GET');
const actions = (ran: { said: readonly { action: string }[] }) => ran.said.map(({ action }) => action);
const gguf = { architecture: 'llama', name: 'rbee sample', quantisation: 'F16', context_length: 512 };

describe('a plan', () => {
  it('says what a download would do, with the header of the remote file, and downloads nothing', async () => {
    const ran = await hive.run({ operation: 'model_plan', model: MODEL });
    const plan = modelPlanSchema.parse(ran.payload);
    expect(ran).toMatchObject({ end: '[DONE]', payload: { hive_id: 'hive-a' } });
    expect(plan).toMatchObject({
      model_ref: MODEL,
      pinned_ref: pinned(),
      files: [{ path: 'model-F16.gguf', bytes: GGUF.length, sha256, present_bytes: 0 }],
      total: GGUF.length,
      present_bytes: 0,
      needed_bytes: GGUF.length,
      fits: true,
      gguf,
    });
    // Two bytes each, and the names of the tensors, which are no weights.
    expect(plan.gguf?.parameters).toBeGreaterThan(GGUF.length * 0.45);
    expect(plan.gguf?.parameters).toBeLessThan(GGUF.length / 2);
    expect(bodyRequests().every(({ range }) => range !== null)).toBe(true);
    expect(actions(ran)).toEqual(['plan_resolve', 'plan_ready']);
    expect(await readdir(hive.modelsDir)).toEqual(['.locks']);
  });

  it('counts what is on disk, in full and in part, and then requests no header', async () => {
    await download();
    hive.hub.clearRequests();
    const { payload } = await hive.run({ operation: 'model_plan', model: MODEL });
    expect(payload).toMatchObject({ present_bytes: GGUF.length, needed_bytes: 0, fits: true, gguf });
    expect(bodyRequests()).toEqual([]);
  });

  it('adds up the parameters of a set of shards', async () => {
    const model = 'hf:org/model::file=part-00001-of-00002.gguf::file=part-00002-of-00002.gguf';
    const { payload } = await hive.run({ operation: 'model_plan', model });
    const { payload: single } = await hive.run({ operation: 'model_plan', model: MODEL });
    const parameters = modelPlanSchema.parse(single).gguf?.parameters ?? 0;
    expect(modelPlanSchema.parse(payload).gguf).toEqual({ ...gguf, parameters: parameters * 2 });
  });

  it('has no header if that cannot be read, with a warning', async () => {
    const ran = await hive.run({ operation: 'model_plan', model: 'hf:org/model::file=broken.gguf' });
    expect(ran).toMatchObject({ end: '[DONE]', payload: { gguf: null } });
    expect(ran.said).toContainEqual(expect.objectContaining({ action: 'gguf_unreadable', level: 'warn' }));
    hive.hub.fault({ kind: 'status', status: 503, server: 'cdn', times: 100 });
    const refused = await hive.run({ operation: 'model_plan', model: MODEL });
    expect(refused).toMatchObject({ end: '[DONE]', payload: { gguf: null } });
  });

  it('retries as a download does, and fails with the reason', async () => {
    hive.hub.fault({ kind: 'status', status: 503, server: 'hub', times: 1 });
    const ran = await hive.run({ operation: 'model_plan', model: MODEL });
    expect([ran.end, actions(ran)[1]]).toEqual(['[DONE]', 'plan_retry']);
    const missing = await hive.run({ operation: 'model_plan', model: 'hf:org/model::file=none.gguf' });
    expect(missing.end).toMatch(/^\[ERROR\] .*none\.gguf/);
  });

  it('is refused right away if that needs no network', async () => {
    const refused = await Promise.all(
      ['hf:..', 'file:///etc/hosts'].map((model) => hive.api('POST', '/v1/jobs', { operation: 'model_plan', model })),
    );
    expect(refused.map(({ status }) => status)).toEqual([400, 403]);
  });
});

describe('the models of a hive', () => {
  it('are listed and shown, as an operation and by their routes', async () => {
    await download();
    const id = modelIdOf(pinned());
    const { payload } = await hive.run({ operation: 'model_list' });
    const list = modelListSchema.parse(payload);
    expect(payload).toMatchObject({ hive_id: 'hive-a' });
    expect(list).toMatchObject({ models: [{ model_id: id, model_ref: pinned() }], partials: [], problems: [] });
    expect(await hive.api('GET', '/v2/models')).toEqual({ status: 200, body: list });

    const got = await hive.run({ operation: 'model_get', id });
    const detail = modelDetailSchema.parse(got.payload);
    expect(detail).toMatchObject({
      ...list.models[0],
      file_list: [{ path: 'model-F16.gguf', bytes: GGUF.length, sha256, stored_at: list.models[0]?.path }],
      gguf,
    });
    expect((await readFile(detail.path)).equals(GGUF)).toBe(true);
    expect(await hive.api('GET', `/v2/models/${id}`)).toEqual({ status: 200, body: detail });
  });

  it('that are unknown are not found, by operation or route', async () => {
    const id = 'm-000000000000';
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/verify'],
    ] as const) {
      expect(await hive.api(method, `/v2/models/${id}${path}`)).toMatchObject({
        status: 404,
        body: { error: { code: 'MODEL_NOT_FOUND' } },
      });
    }
    for (const operation of ['model_get', 'model_delete', 'model_verify']) {
      expect((await hive.run({ operation, id })).end).toMatch(/^\[ERROR\] .*m-000000000000/);
    }
    expect(await hive.api('GET', '/v2/models/nonsense')).toMatchObject({ status: 404 });
  });

  it('can be removed and downloaded again', async () => {
    await download();
    const id = modelIdOf(pinned());
    const ran = await hive.run({ operation: 'model_delete', id });
    expect(modelRemovedSchema.parse(ran.payload)).toMatchObject({ model_id: id, freed_bytes: GGUF.length });
    expect(actions(ran)).toEqual(['model_removing', 'model_removed']);
    expect((await hive.api('GET', '/v2/models')).body['models']).toEqual([]);
    await download();
    expect(await hive.api('DELETE', `/v2/models/${id}`)).toMatchObject({ status: 200, body: { shared_bytes: 0 } });
  });

  it('cannot be removed while a download that is running needs the same place', async () => {
    await download();
    hive.hub.throttle(0);
    const { body } = await hive.api('POST', '/v1/jobs', {
      operation: 'model_download',
      model: 'hf:org/model::file=broken.gguf',
    });
    await hive.hub.waitFor(() => hive.hub.inFlight('cdn') > 0, 'the download to run');
    const id = modelIdOf(pinned());
    expect(await hive.api('DELETE', `/v2/models/${id}`)).toMatchObject({
      status: 409,
      body: { error: { code: 'STATUS_CONFLICT' } },
    });
    hive.hub.throttle(null);
    expect((await follow(`${hive.url}${String(body['sse_url'])}`, String(body['job_id']))).end).toBe('[DONE]');
    expect(await hive.api('DELETE', `/v2/models/${id}`)).toMatchObject({ status: 200 });
  });
});

describe('a verify', () => {
  it('of a model finds a flipped bit, and the next download repairs it', async () => {
    await download();
    const id = modelIdOf(pinned());
    const good = await hive.run({ operation: 'model_verify', id });
    expect(modelVerifiedSchema.parse(good.payload).models).toMatchObject([
      { model_id: id, ok: true, bytes: GGUF.length },
    ]);
    expect(actions(good)).toEqual(['verify_start', 'verify_ok']);

    const file = await open(join(hive.modelsDir, 'models--org--model', 'blobs', sha256), 'r+');
    await file.write(Buffer.from([GGUF.readUInt8(100) ^ 1]), 0, 1, 100);
    await file.close();
    const { body } = await hive.api('POST', `/v2/models/${id}/verify`);
    const bad = await follow(`${hive.url}${String(body['sse_url'])}`, String(body['job_id']));
    expect(bad).toMatchObject({
      end: '[DONE]',
      payload: { models: [{ ok: false, problems: [{ code: 'CHECKSUM_MISMATCH' }] }] },
    });
    expect(actions(bad)).toEqual(['verify_start', 'verify_damaged', 'verify_repair']);
    expect(await hive.api('GET', '/v2/models')).toMatchObject({ body: { models: [], problems: [{}] } });
    expect((await hive.api('GET', `/v2/models/${id}`)).body).toMatchObject({
      error: { hint: expect.stringContaining(pinned()) },
    });

    hive.hub.clearRequests();
    expect((await download()).end).toBe('[DONE]');
    expect(bodyRequests().length).toBeGreaterThan(0);
    const all = await hive.run({ operation: 'model_verify' });
    expect(modelVerifiedSchema.parse(all.payload).models).toMatchObject([{ ok: true }]);
  });
});

describe('a prune', () => {
  it('removes an old partial, but not that of a paused download', async () => {
    hive.hub.throttle(1_000_000);
    const { body } = await hive.api('POST', '/v1/jobs', { operation: 'model_download', model: MODEL });
    const id = String(body['download_id']);
    const partial = join(hive.modelsDir, 'models--org--model', 'blobs', `${sha256}.rbee-partial`);
    await hive.hub.waitFor(() => hive.hub.requests.some(({ bytesSent }) => bytesSent > 300_000), 'bytes to flow');
    expect((await hive.api('POST', `/v2/downloads/${id}/pause`)).status).toBe(200);
    const makeOld = async () => {
      const old = new Date(Date.now() - 25 * 3_600_000);
      for (const name of await readdir(join(partial, '..'))) await utimes(join(partial, '..', name), old, old);
    };
    await makeOld();
    const kept = await hive.run({ operation: 'model_prune' });
    expect(modelsPrunedSchema.parse(kept.payload)).toMatchObject({
      ...{ dry_run: false, removed: [], freed_bytes: 0 },
      kept: [{ path: partial, reason: 'in_use' }],
    });
    expect((await hive.api('GET', '/v2/models')).body['partials']).toMatchObject([
      { path: partial, total: GGUF.length },
    ]);
    const resumedPlan = modelPlanSchema.parse((await hive.run({ operation: 'model_plan', model: MODEL })).payload);
    expect(resumedPlan.present_bytes).toBeGreaterThan(0);
    expect(resumedPlan.present_bytes + (resumedPlan.needed_bytes ?? 0)).toBe(GGUF.length);

    await hive.api('DELETE', `/v1/jobs/${String(body['job_id'])}?partial=keep`);
    await makeOld();
    const dry = await hive.run({ operation: 'model_prune', dry_run: true });
    expect(dry.payload).toMatchObject({ dry_run: true, removed: [{ kind: 'partial', path: partial }] });
    expect((await stat(partial)).size).toBeGreaterThan(0);
    const ran = await hive.run({ operation: 'model_prune' });
    expect(ran.payload).toMatchObject({ dry_run: false, removed: [{ kind: 'partial', path: partial }] });
    expect(actions(ran)).toEqual(['prune_start', 'prune_removed', 'prune_complete']);
    expect((await readdir(hive.modelsDir)).filter((name) => name !== '.locks')).toEqual([]);
  });
});

describe('the partial of a download that has ended', () => {
  it.each(['cancelled', 'cancelled, after a restart'])(
    '[K3] is deleted by a cancel with discard (%s)',
    async (_when) => {
      hive.hub.throttle(1_000_000);
      const { body } = await hive.api('POST', '/v1/jobs', { operation: 'model_download', model: MODEL });
      const id = String(body['download_id']);
      await hive.hub.waitFor(() => hive.hub.requests.some(({ bytesSent }) => bytesSent > 300_000), 'bytes to flow');
      await hive.api('DELETE', `/v1/jobs/${String(body['job_id'])}?partial=keep`);
      const blobs = join(hive.modelsDir, 'models--org--model', 'blobs');
      expect(await readdir(blobs)).toContain(`${sha256}.rbee-partial`);
      const kept = await hive.api('POST', `/v2/downloads/${id}/cancel?partial=keep`);
      expect(kept.body).toMatchObject({ jobs: 0, downloads: [{ state: 'ended', partial: 'kept' }] });
      const discarded = await hive.api('POST', `/v2/downloads/${id}/cancel?partial=discard`);
      expect(discarded.body).toMatchObject({
        jobs: 0,
        downloads: [{ state: 'ended', partial: 'discarded', bytes: 0 }],
      });
      expect((await hive.api('GET', '/v2/models')).body['partials']).toEqual([]);
      expect((await hive.api('GET', `/v2/downloads/${id}`)).body).toMatchObject({ partial: 'discarded' });
    },
  );
});

describe('models of other sources', () => {
  it('are planned with their header, listed, verified and removed like models of a hub', async () => {
    await hive.close();
    hive = await startTestHive({ RBEE_HIVE_ALLOWED_SOURCES: 'hf,http,file' });
    const folder = await tempDir();
    const path = join(folder.path, 'local.gguf');
    await writeFile(path, GGUF);
    hive.hub.addRepo({ id: 'org/model', files: { 'm.gguf': GGUF } });
    for (const model of [`file://${path}`, hive.hub.resolveUrl('org/model', 'm.gguf')]) {
      const plan = await hive.run({ operation: 'model_plan', model });
      expect(plan).toMatchObject({ end: '[DONE]', payload: { total: GGUF.length, present_bytes: 0, gguf } });
      expect((await download(model)).end).toBe('[DONE]');
    }
    const list = modelListSchema.parse((await hive.api('GET', '/v2/models')).body);
    expect(list).toMatchObject({ models: [{ bytes: GGUF.length }, { bytes: GGUF.length }], problems: [] });
    const all = await hive.run({ operation: 'model_verify' });
    expect(modelVerifiedSchema.parse(all.payload).models).toMatchObject([{ ok: true }, { ok: true }]);
    for (const { model_id } of list.models) {
      expect((await hive.api('GET', `/v2/models/${model_id}`)).body).toMatchObject({ gguf });
      expect((await hive.api('DELETE', `/v2/models/${model_id}`)).body).toMatchObject({ freed_bytes: GGUF.length });
    }
    expect((await hive.api('GET', '/v2/models')).body).toEqual({ models: [], partials: [], problems: [] });
    expect((await readFile(path)).equals(GGUF)).toBe(true);
    await folder.remove();
  });
});

describe('the same request twice', () => {
  it('under one job id is one job; another request under that id is a conflict', async () => {
    const first = await hive.run({ operation: 'model_plan', model: MODEL });
    const again = await hive.run({ operation: 'model_plan', model: MODEL, job_id: first.jobId });
    expect(again).toEqual(first);
    const other = { operation: 'model_verify', job_id: first.jobId };
    expect((await hive.api('POST', '/v1/jobs', other)).status).toBe(409);
  });
});
