import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateBytes, makeSampleGguf } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startDaemon, startFleet } from './support/fleet.ts';
import { jsonOf, readStream, spoken } from './support/sse.ts';

const SIZE = 10 * 1024 * 1024;
const MODEL = 'hf:org/model::file=model.gguf';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({ hub: { tokens: { hf_reader: { user: 'reader', repos: [] } } } });
  fleet.hub.addRepo({ id: 'org/model', files: { 'model.gguf': { size: SIZE, seed: 3 } } });
  fleet.hub.addRepo({
    id: 'org/gated',
    files: { 'model.gguf': makeSampleGguf({ size: 200_000, seed: 1 }) },
    gated: true,
  });
});
afterEach(() => fleet.close());

async function followed(model: string, hiveId = 'hive-a') {
  const { job_id, download_id } = await startDownload(fleet.queen.url, model, { hive_id: hiveId });
  const events = await (await readStream(`${fleet.queen.url}/v1/downloads/${download_id}/stream`)).toEnd();
  const lines = spoken(await (await readStream(`${fleet.queen.url}/v1/jobs/${job_id}/stream`)).toEnd());
  const { body: download } = await api('GET', `${fleet.queen.url}/v1/downloads/${download_id}`);
  return { events, lines, download };
}

describe('a connection that is cut at 40 percent', () => {
  it('[B1] is resumed with Range, the file is right, and notices say so', async () => {
    fleet.hub.fault({ kind: 'close', afterBytes: SIZE * 0.4 });
    // Held until the reader has an event of the hive: the queen answers a reader before it follows the hive, and what was said by
    // then is not repeated.
    fleet.hub.throttle(0);
    const { job_id, download_id } = await startDownload(fleet.queen.url, MODEL);
    const reader = await readStream(`${fleet.queen.url}/v1/downloads/${download_id}/stream`);
    await reader.waitFor(() => reader.events.length > 0, 'the first event of the hive');
    await fleet.hub.waitFor(() => fleet.hub.inFlight('cdn') === 1, 'the transfer');
    fleet.hub.throttle(null);
    const events = await reader.toEnd();
    expect(events.at(-1)?.event).toBe('complete');
    const notices = events.filter(({ event }) => event === 'notice').map(jsonOf);
    expect(notices.map(({ code }) => code)).toEqual(expect.arrayContaining(['RETRY', 'RESUME']));
    expect(notices[0]).toMatchObject({ download_id, attempt: expect.any(Number), max_attempts: 6 });

    const bodies = fleet.hub.requests.filter(({ server, method }) => server === 'cdn' && method === 'GET');
    expect(bodies.map(({ range }) => range)).toEqual(['bytes=0-', `bytes=${SIZE * 0.4}-`]);
    const path = String(jsonOf(events.at(-1))['path']);
    expect((await readFile(path)).equals(generateBytes({ size: SIZE, seed: 3 }))).toBe(true);
    const lines = spoken(await (await readStream(`${fleet.queen.url}/v1/jobs/${job_id}/stream`)).toEnd());
    expect(lines.some((line) => /model\.gguf: .*/.test(line) && line.startsWith('🔁'))).toBe(true);
  });
});

describe('what a hub may do', () => {
  it('a wrong byte is never left under a final name', async () => {
    fleet.hub.fault({ kind: 'corrupt', at: SIZE - 5, times: 2 });
    const { events } = await followed(MODEL);
    expect(jsonOf(events.at(-1))).toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    const { body } = await api('GET', `${fleet.hive.url}/v1/info`);
    expect(body['models_dir']).toBe(fleet.hive.modelsDir);
    await expect(readFile(join(fleet.hive.modelsDir, 'models--org--model/refs/main'))).rejects.toThrow('ENOENT');
  });

  it('[B2] an answer of 503 is asked again after its Retry-After, and says so', async () => {
    fleet.hub.fault({ server: 'hub', kind: 'status', status: 503, headers: { 'Retry-After': '1' } });
    const { events, lines } = await followed(MODEL);
    expect(events.at(-1)?.event).toBe('complete');
    expect(lines.some((line) => /attempt 2 of 6/.test(line))).toBe(true);
  });

  it('a signed address that has expired is asked for again', async () => {
    fleet.hub.fault({ kind: 'expire_signed_urls' });
    const { events } = await followed(MODEL);
    expect(events.at(-1)?.event).toBe('complete');
  });
});

describe('a file without a byte', () => {
  it('is downloaded like any other', async () => {
    fleet.hub.addRepo({ id: 'org/empty', files: { 'empty.txt': Buffer.alloc(0), 'some.txt': Buffer.from('x') } });
    const { events, download } = await followed('hf:org/empty::file=empty.txt');
    expect(jsonOf(events.at(-1))).toMatchObject({ bytes: 0, total: 0 });
    expect(await readFile(String(download['path']))).toHaveLength(0);
    const both = await followed('hf:org/empty::include=*');
    expect(both.download).toMatchObject({ status: 'complete', files_done: 2, bytes: 1 });
  });
});

describe('bad input', () => {
  it.each([
    ['an unknown repo', 'hf:org/nothing::file=x.gguf', 'MODEL_NOT_FOUND', /private repo needs a token/],
    ['an unknown file', 'hf:org/model::file=nothing.gguf', 'MODEL_NOT_FOUND', /files/],
    ['an unknown revision', 'hf:org/model@nope::file=model.gguf', 'MODEL_NOT_FOUND', /after "@"/],
    ['a gated repo without a token', 'hf:org/gated::file=model.gguf', 'MODEL_TOKEN_MISSING', /HF_TOKEN/],
  ])('[A10] %s ends the streams with its code', async (_, model, code, hint) => {
    const { events, lines, download } = await followed(model);
    expect(events.at(-1)?.event).toBe('error');
    expect(jsonOf(events.at(-1))).toMatchObject({ code, hint: expect.stringMatching(hint), retryable: false });
    expect(lines.at(-1)).toMatch(/^\[ERROR\] /);
    expect(download).toMatchObject({ status: 'failed', error: { code } });
    expect(JSON.stringify([events, lines])).not.toMatch(/ at .*\.[jt]s:\d/);
  });

  it.each([
    ['an invalid token', 'hf_wrong', 'hf:org/model::file=model.gguf', 'MODEL_TOKEN_INVALID'],
    ['a token without access to a gated repo', 'hf_reader', 'hf:org/gated::file=model.gguf', 'MODEL_GATED'],
  ])('%s has its own code', async (_, token, model, code) => {
    await fleet.addHive('hive-b', { HF_TOKEN: token });
    const { events } = await followed(model, 'hive-b');
    expect(jsonOf(events.at(-1))).toMatchObject({ code });
    expect(JSON.stringify(events)).not.toContain(token);
  });

  it.each([
    [{ operation: 'model_download', model: '../etc/passwd' }, 400, 'MODEL_REF_INVALID'],
    [{ operation: 'model_download', model: 'http://example.com/x.gguf' }, 403, 'SOURCE_NOT_ALLOWED'],
    [{ operation: 'model_fly' }, 400, 'OPERATION_UNKNOWN'],
    [{ operation: 'model_download', model: MODEL, colour: 'red' }, 400, 'REQUEST_INVALID'],
    [{ operation: 'model_download', model: MODEL, hive_id: 'nobody' }, 404, 'HIVE_NOT_FOUND'],
  ])('%j is refused at once by the queen', async (body, status, code) => {
    const answer = await api('POST', `${fleet.queen.url}/v1/jobs`, body);
    expect(answer).toMatchObject({ status, body: { error: { code, request_id: expect.any(String) } } });
    expect(JSON.stringify(answer.body)).not.toMatch(/ at .*\.[jt]s:\d/);
  });

  it.each([
    ['GET', '/v1/jobs/job-00000000-0000-4000-8000-000000000000', 'JOB_NOT_FOUND'],
    ['GET', '/v1/jobs/job-00000000-0000-4000-8000-000000000000/stream', 'JOB_NOT_FOUND'],
    ['DELETE', '/v1/jobs/job-00000000-0000-4000-8000-000000000000', 'JOB_NOT_FOUND'],
    ['GET', '/v1/jobs/nonsense', 'JOB_NOT_FOUND'],
    ['GET', '/v1/downloads/dl-01890000-0000-7000-8000-000000000000', 'DOWNLOAD_NOT_FOUND'],
    ['GET', '/v1/downloads/dl-01890000-0000-7000-8000-000000000000/stream', 'DOWNLOAD_NOT_FOUND'],
  ])('%s %s is 404', async (method, path, code) => {
    expect(await api(method, fleet.queen.url + path)).toMatchObject({ status: 404, body: { error: { code } } });
  });

  it('bad settings are all told at once, with exit code 78 and nothing started', async () => {
    const { startProgram } = await import('@rbee/testing');
    for (const kind of ['hive', 'queen'] as const) {
      const bin = new URL(`../apps/${kind}/bin/rbee-${kind}.js`, import.meta.url).pathname;
      const args = [bin, '--port', 'high', '--host', '0.0.0.0', '--colour=red', '--log-level', 'loud'];
      const program = await startProgram({ command: process.execPath, args });
      expect(await program.exited).toMatchObject({ code: 78 });
      expect(program.stdout()).toBe('');
      for (const problem of [/--port/, /--colour/, /--log-level/, /RBEE_API_TOKEN/])
        expect(program.stderr()).toMatch(problem);
      expect(program.stderr()).not.toMatch(/ at .*\.[jt]s:\d/);
    }
  });

  it('[F1] a second hive does not get the store of the first', async () => {
    const args = ['--models-dir', fleet.hive.modelsDir, '--id', 'thief'];
    const env = { HF_ENDPOINT: fleet.hub.url, RBEE_HIVE_STATE_DIR: join(fleet.folder, 'thief') };
    await expect(startDaemon('hive', args, env)).rejects.toThrow(/owns this store/);
  });
});
