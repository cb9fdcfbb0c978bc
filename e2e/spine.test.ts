import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makeSampleGguf } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, readStream, spoken, terminalsOf, type WireEvent } from './support/sse.ts';

// Goal: a model travels from the hub's disk to the hive's over three real processes, and every level reports the same.
// Method: the bytes are compared, and the streams of both levels are read by plain fetch meanwhile.

const MODEL = 'hf:org/model::file=weights/model.gguf';
const bytes = makeSampleGguf({ size: 4 * 1024 * 1024, seed: 1 });

let fleet: Fleet;
let commit: string;
let sha256: string;

beforeEach(async () => {
  fleet = await startFleet();
  const repo = fleet.hub.addRepo({
    id: 'org/model',
    files: { 'weights/model.gguf': bytes, 'config.json': Buffer.from('{}\n') },
  });
  commit = repo.commit;
  sha256 = repo.files.find(({ path }) => path.endsWith('.gguf'))?.sha256 ?? '';
});
afterEach(() => fleet.close());

describe('a download through keeper, queen and hive', () => {
  it('delivers the exact bytes, moves the bars, and ends with the path of the file', async () => {
    fleet.hub.throttle(2 * 1024 * 1024);
    const keeper = fleet.keeperInTerminal(['model', 'download', MODEL], { cols: 120 });
    const percents = new Set<string>();
    await keeper.waitFor(
      () => {
        const percent = /(\d+)(?:\.\d+)?\s?%/.exec(keeper.screen())?.[1];
        if (percent !== undefined && percent !== '0' && percent !== '100') percents.add(percent);
        return percents.size >= 2;
      },
      'the bar to move',
      { timeoutMs: 60_000 },
    );
    fleet.hub.throttle(null);
    expect(await keeper.exited).toMatchObject({ exitCode: 0 });

    const snapshot = join(fleet.hive.modelsDir, 'models--org--model', 'snapshots', commit, 'weights/model.gguf');
    expect(keeper.history().replaceAll('\n', '')).toContain(snapshot);
    expect(await readlink(snapshot)).toBe(`../../../blobs/${sha256}`);
    expect((await readFile(snapshot)).equals(bytes)).toBe(true);
    const store = join(fleet.hive.modelsDir, 'models--org--model');
    expect(await readFile(join(store, 'refs/main'), 'utf8')).toBe(commit);
    expect(await readdir(join(store, 'blobs'))).toEqual([sha256]);
  });

  it('shows a bar for the running file of several', async () => {
    fleet.hub.throttle(1024 * 1024);
    const both = `${MODEL}::file=config.json`;
    const keeper = fleet.keeperInTerminal(['model', 'download', both], { cols: 120 });
    await keeper.waitFor(
      () =>
        /^ {2}weights\/model\.gguf .* [1-9]\d?\.\d%/m.test(keeper.screen()) &&
        // The small file is complete and its bar has gone; the screen may be read while it is drawn.
        /^model.* \(1\/2\) .*%/m.test(keeper.screen()) &&
        !/^ {2}config\.json/m.test(keeper.screen()),
      'the bar of the file',
      { timeoutMs: 60_000 },
    );
    fleet.hub.throttle(null);
    expect(await keeper.exited).toMatchObject({ exitCode: 0 });
    expect(keeper.history()).not.toMatch(/^ {2}weights/m);
  });

  it('has the same events in the same order on both levels, with one terminal event and one [DONE]', async () => {
    fleet.hub.throttle(0);
    const { job_id, download_id } = await startDownload(fleet.queen.url, MODEL);
    const [hive, queen, hiveJob, queenJob] = await Promise.all([
      readStream(`${fleet.hive.url}/v2/downloads/${download_id}/stream`),
      readStream(`${fleet.queen.url}/v1/downloads/${download_id}/stream`),
      readStream(`${fleet.hive.url}/v1/jobs/${job_id}/stream`),
      readStream(`${fleet.queen.url}/v1/jobs/${job_id}/stream`),
    ]);
    await queen.waitFor(
      () => queen.events.some((event) => jsonOf(event)['status'] === 'downloading'),
      'it to download',
    );
    const firstEvents = [hive, queen].map((reader) => reader.events.length);
    fleet.hub.throttle(1024 * 1024);
    const [hiveEvents, queenEvents] = [await hive.toEnd(), await queen.toEnd()];

    expect(Math.min(...firstEvents)).toBeGreaterThan(0);
    expect(terminalsOf(hiveEvents)).toEqual(['complete']);
    expect(terminalsOf(queenEvents)).toEqual(['complete']);
    expect(hiveEvents.length).toBeGreaterThan(5);
    // The readers joined at different times; from the first event of the last one, they must have seen the same.
    const shown = (events: readonly WireEvent[]) => events.map(({ event, data }) => `${event} ${data}`);
    const untouched = queenEvents.map((event) => ({ ...event, data: withoutQueen(event) }));
    const shorter = Math.min(hiveEvents.length, queenEvents.length);
    expect(shown(untouched).slice(-shorter)).toEqual(shown(hiveEvents).slice(-shorter));
    for (const event of queenEvents)
      expect(jsonOf(event)).toMatchObject({ orchestrator_id: 'queen-1', hive_id: 'hive-a' });
    expect(jsonOf(hiveEvents.at(-1))).toMatchObject({ bytes: bytes.length, total: bytes.length, sha256 });

    const [hiveLines, queenLines] = [spoken(await hiveJob.toEnd()), spoken(await queenJob.toEnd())];
    expect(hiveLines.at(-1)).toBe('[DONE]');
    expect(queenLines[0]).toMatch(/hive-a/);
    expect(queenLines.slice(1)).toEqual(hiveLines);
  });

  it('gives each event an increasing id', async () => {
    const { job_id, download_id } = await startDownload(fleet.queen.url, MODEL);
    for (const path of [`/v1/downloads/${download_id}/stream`, `/v1/jobs/${job_id}/stream`]) {
      const events = await (await readStream(fleet.queen.url + path)).toEnd();
      const sequences = events.map(({ id }) => Number(id.split('.')[1]));
      expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
      expect(new Set(sequences).size).toBe(events.length);
      expect(new Set(events.map(({ id }) => id.split('.')[0])).size).toBe(1);
    }
  });

  it('of a model in the store completes immediately and fetches nothing', async () => {
    const first = await startDownload(fleet.queen.url, MODEL);
    await (await readStream(`${fleet.queen.url}/v1/downloads/${first.download_id}/stream`)).toEnd();
    fleet.hub.clearRequests();
    const second = await startDownload(fleet.queen.url, MODEL);
    const events = await (await readStream(`${fleet.queen.url}/v1/downloads/${second.download_id}/stream`)).toEnd();
    expect(terminalsOf(events)).toEqual(['complete']);
    const { body } = await api('GET', `${fleet.queen.url}/v1/downloads/${second.download_id}`);
    expect(body).toMatchObject({ status: 'complete', bytes_reused: bytes.length, bytes: bytes.length });
    expect(fleet.hub.requests.filter(({ server }) => server === 'cdn')).toEqual([]);
  });

  it('requested twice concurrently is one transfer that two jobs wait for', async () => {
    fleet.hub.throttle(0);
    const first = await startDownload(fleet.hive.url, MODEL);
    const second = await startDownload(fleet.hive.url, MODEL);
    expect(second.download_id).toBe(first.download_id);
    expect(second.job_id).not.toBe(first.job_id);
    await fleet.hub.waitFor(() => fleet.hub.inFlight('cdn') === 1, 'the transfer');
    const cancelled = await api('DELETE', `${fleet.hive.url}/v1/jobs/${first.job_id}`);
    expect(cancelled).toMatchObject({ status: 200, body: { status: 'cancelled', downloads: [] } });
    expect(fleet.hub.inFlight('cdn')).toBe(1);
    fleet.hub.throttle(null);
    const lines = spoken(await (await readStream(`${fleet.hive.url}/v1/jobs/${second.job_id}/stream`)).toEnd());
    expect(lines.at(-1)).toBe('[DONE]');
    expect(fleet.hub.requests.filter(({ server, method }) => server === 'cdn' && method === 'GET')).toHaveLength(1);
  });

  it('never sends the token to the CDN', async () => {
    const token = 'hf_a_token_of_the_test';
    const hive = await fleet.addHive('hive-b', { HF_TOKEN: token });
    const { download_id } = await startDownload(fleet.queen.url, MODEL, { hive_id: 'hive-b' });
    await (await readStream(`${fleet.queen.url}/v1/downloads/${download_id}/stream`)).toEnd();
    const carried = fleet.hub.requests.filter(({ headers }) => headers.authorization !== undefined);
    expect(carried.length).toBeGreaterThan(0);
    expect(new Set(carried.map(({ server }) => server))).toEqual(new Set(['hub']));
    expect(hive.program.stdout()).not.toContain(token);
  });
});

describe('readers that join at any time', () => {
  it('get the newest state when they join late, reconnect, or join after the end', async () => {
    fleet.hub.throttle(512 * 1024);
    const { download_id } = await startDownload(fleet.queen.url, MODEL);
    const url = `${fleet.queen.url}/v1/downloads/${download_id}/stream`;
    const early = await readStream(url);
    await early.waitFor(() => early.events.filter(({ event }) => event === 'progress').length >= 4, 'some progress');
    const late = await readStream(url);
    await late.waitFor(() => late.events.length > 0, 'a snapshot');
    expect(Number(jsonOf(late.events[0])['bytes'])).toBeGreaterThan(0);

    const lastId = early.events.at(-1)?.id ?? '';
    early.leave();
    const back = await readStream(url, { 'last-event-id': lastId });
    await back.waitFor(() => back.events.length > 0, 'a snapshot after coming back');
    expect(back.events[0]?.event).toBe('progress');
    fleet.hub.throttle(null);
    const events = await back.toEnd();
    expect(terminalsOf(events)).toEqual(['complete']);

    const after = await (await readStream(url)).toEnd();
    expect(after.map(({ event }) => event)).toEqual(['complete']);
    expect((await readStream(url, { 'last-event-id': events.at(-1)?.id ?? '' })).status).toBe(204);
  });

  it('of a job get every line, and with Last-Event-ID the lines they have not seen', async () => {
    const { job_id } = await startDownload(fleet.queen.url, MODEL);
    const url = `${fleet.queen.url}/v1/jobs/${job_id}/stream`;
    const all = await (await readStream(url)).toEnd();
    const late = await (await readStream(url)).toEnd();
    expect(late).toEqual(all);
    const rest = await (await readStream(url, { 'last-event-id': all[1]?.id ?? '' })).toEnd();
    expect(rest).toEqual(all.slice(2));
    expect((await readStream(url, { 'last-event-id': all.at(-1)?.id ?? '' })).status).toBe(204);
  });
});

/** The event's data as the hive sent it, without the fields of the queen. */
function withoutQueen({ event, data }: WireEvent): string {
  const added =
    event === 'progress' ? '"orchestrator_id":"queen-1",' : '"orchestrator_id":"queen-1","hive_id":"hive-a",';
  expect(data.startsWith(`{${added}`)).toBe(true);
  return data.replace(added, '');
}

describe('a request that is sent twice under one job id', () => {
  it('starts one job, and a different request with the same id is refused', async () => {
    await fleet.addHive('hive-b');
    fleet.hub.throttle(0);
    const job_id = 'job-11111111-2222-4333-8444-555555555555';
    const first = await startDownload(fleet.queen.url, MODEL, { job_id });
    const again = [0, 1, 2].map(() => startDownload(fleet.queen.url, MODEL, { job_id }));
    expect(await Promise.all(again)).toEqual([first, first, first]);
    const other = { operation: 'model_download', model: 'hf:org/model::file=config.json', job_id };
    expect(await api('POST', `${fleet.queen.url}/v1/jobs`, other)).toMatchObject({
      status: 409,
      body: { error: { code: 'STATUS_CONFLICT' } },
    });
    const all = await api('GET', `${fleet.queen.url}/v1/downloads`);
    expect(all.body['downloads']).toHaveLength(1);
    const wrongDigest = { operation: 'model_download', model: MODEL, job_id, sha256: 'a'.repeat(64) };
    for (const daemon of [fleet.hive, fleet.queen]) {
      expect(await api('POST', `${daemon.url}/v1/jobs`, wrongDigest)).toMatchObject({ status: 409 });
    }
  });
});
