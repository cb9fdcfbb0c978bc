import { afterEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startDaemon, startFleet } from './support/fleet.ts';
import { sentByCdn } from './support/sent-bytes.ts';
import { jsonOf, type Reader, readStream, spoken, terminalsOf } from './support/sse.ts';

// Goal: a fleet survives when parts of it are killed: every reader ends with the right event, and nothing is fetched twice.
// Method: real hives and a real queen, killed with SIGKILL while the hub holds all bodies; the hub's record shows what was
// fetched.

const SIZE = 12 * 1024 * 1024;
const SLOW = 2 * 1024 * 1024;
const HIVES = ['hive-a', 'hive-b', 'hive-c'];
/** The most that a kill may lose: two seconds of bytes, and what sockets and pipes hold. */
const LOST_PER_KILL = 2 * SLOW + 4 * 1024 * 1024;
const jobIdOf = (hiveId: string) => `job-11111111-2222-4333-8444-55555555555${HIVES.indexOf(hiveId)}`;
const model = (name: string) => `hf:org/fleet::file=${name}.gguf`;

let fleet: Fleet;
afterEach(() => fleet.close());

async function start(options: Parameters<typeof startFleet>[0] = {}): Promise<void> {
  fleet = await startFleet({ hiveIds: HIVES, ...options });
  const files = Object.fromEntries(HIVES.map((name, seed) => [`${name}.gguf`, { size: SIZE, seed }]));
  fleet.hub.addRepo({ id: 'org/fleet', files });
  fleet.hub.throttle(SLOW);
}

const get = async (path: string) => (await api('GET', fleet.queen.url + path)).body;
const hivesOf = async () => (await get('/v1/hives'))['hives'] as Record<string, unknown>[];

/** Repeats a request until its response is right. */
async function until<T>(what: string, ask: () => Promise<T>, isIt: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (isIt(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`gave up waiting for ${what}: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const online = (id: string, wanted: boolean) =>
  until(`${id} to be ${wanted ? 'online' : 'offline'}`, hivesOf, (hives) =>
    hives.some((hive) => hive['hive_id'] === id && hive['online'] === wanted),
  );

/** Follows a stream as clients do: reconnects until it ends. */
async function follow(path: string): Promise<{ readonly events: () => Reader['events']; toEnd(): Promise<void> }> {
  const readers: Reader[] = [];
  const connect = async () => {
    const last = readers.flatMap(({ events }) => events).at(-1)?.id;
    readers.push(await readStream(fleet.queen.url + path, last === undefined ? {} : { 'last-event-id': last }));
  };
  await connect();
  const events = () => readers.flatMap((reader) => reader.events);
  return {
    events,
    async toEnd() {
      const isOver = () => events().some(({ event }) => ['complete', 'error', 'cancelled', 'message'].includes(event));
      while (!isOver()) {
        const reader = readers.at(-1);
        if (reader === undefined) throw new Error('there is no connection');
        await reader.waitFor(() => isOver() || reader.ended || reader.broken, 'the end, or a loss', {
          timeoutMs: 60_000,
        });
        if (!isOver())
          await until(
            'the queen',
            () =>
              connect().then(
                () => true,
                () => false,
              ),
            Boolean,
          );
      }
    },
  };
}

const hasBytes = (reader: { events: () => Reader['events'] }) => () =>
  reader.events().some((event) => event.event === 'progress' && Number(jsonOf(event)['bytes']) > SLOW / 4);

describe('three hives, one queen', () => {
  it('complete every download when a hive and the queen are killed in between, and fetch nothing twice', {
    timeout: 180_000,
  }, async () => {
    await start();
    const startOn = (hive_id: string) =>
      startDownload(fleet.queen.url, model(hive_id), { hive_id, job_id: jobIdOf(hive_id) });
    const jobs = await Promise.all(HIVES.map(startOn));
    const downloads = await Promise.all(jobs.map(({ download_id }) => follow(`/v1/downloads/${download_id}/stream`)));
    const narrations = await Promise.all(jobs.map(({ job_id }) => follow(`/v1/jobs/${job_id}/stream`)));
    for (const reader of downloads)
      await fleet.hub.waitFor(hasBytes(reader), 'bytes of every download', { timeoutMs: 30_000 });

    // The hub holds all bodies, so that nothing ends before the kill.
    fleet.hub.throttle(0);
    const [killed] = fleet.hives;
    if (!killed) throw new Error('there are hives');
    await killed.program.kill();
    const lost = () => downloads[0]?.events().some(({ data }) => data.includes('HIVE_LOST')) === true;
    await fleet.hub.waitFor(lost, 'the notice of the loss', { timeoutMs: 20_000 });
    await fleet.restart(killed);

    await fleet.queen.program.kill();
    await fleet.restartQueen();
    await Promise.all(HIVES.map((id) => online(id, true)));
    fleet.hub.throttle(null);
    await Promise.all([...downloads, ...narrations].map((reader) => reader.toEnd()));
    for (const reader of downloads) expect(terminalsOf(reader.events())).toEqual(['complete']);
    for (const reader of narrations) expect(reader.events().at(-1)?.data).toBe('[DONE]');
    expect(sentByCdn(fleet.hub) - HIVES.length * SIZE).toBeLessThanOrEqual(LOST_PER_KILL);
    const jobsNow = (await get('/v1/jobs'))['jobs'] as Record<string, unknown>[];
    expect(jobsNow.map(({ state }) => state)).toEqual(['completed', 'completed', 'completed']);
    // The restarted queen knows the same requests, and starts nothing for them.
    expect(await Promise.all(HIVES.map(startOn))).toEqual(jobs);
    expect((await get('/v1/downloads'))['downloads']).toHaveLength(HIVES.length);
  });

  it('run one job on all hives, with a download and a receipt for each, in one stream', {
    timeout: 90_000,
  }, async () => {
    await start();
    const all = await readStream(`${fleet.queen.url}/v1/downloads/stream`);
    const { body } = await api('POST', `${fleet.queen.url}/v1/jobs`, {
      operation: 'model_download',
      model: model('hive-a'),
      hive_id: '*',
    });
    const downloads = body['downloads'] as { hive_id: string; download_id: string }[];
    expect(downloads.map(({ hive_id }) => hive_id).sort()).toEqual(HIVES);
    // The stream has events of hives and limits too.
    const ofDownloads = () => all.events.filter((event) => jsonOf(event)['download_id'] !== undefined);
    const seen = () =>
      new Set(ofDownloads().map((event) => `${jsonOf(event)['hive_id']} ${jsonOf(event)['download_id']}`));
    const wanted = new Set(downloads.map(({ hive_id, download_id }) => `${hive_id} ${download_id}`));
    await all.waitFor(() => seen().size === 3, 'all three in one stream');
    expect(seen()).toEqual(wanted);
    const receipt = await api('DELETE', `${fleet.queen.url}/v1/jobs/${body['job_id']}?partial=discard`);
    const receipts = receipt.body['downloads'] as Record<string, unknown>[];
    expect(receipts.map(({ hive_id }) => hive_id).sort()).toEqual(HIVES);
    for (const { state, partial } of receipts) expect([state, partial]).toEqual(['stopped', 'discarded']);
    await all.waitFor(() => terminalsOf(all.events).length === 3, 'the three ends');
    expect(terminalsOf(all.events)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    expect(all.ended).toBe(false);
    for (const event of ofDownloads()) expect(jsonOf(event)).toMatchObject({ orchestrator_id: 'queen-1' });

    // A new reader gets every download that has not ended, also one that was started at a hive, not at the queen.
    const hive = fleet.hives[1];
    if (!hive) throw new Error('there are hives');
    const { download_id } = await startDownload(hive.url, model('hive-b'));
    await all.waitFor(() => all.events.some(({ data }) => data.includes(download_id)), 'the hive’s own download');
    const late = await readStream(`${fleet.queen.url}/v1/downloads/stream`);
    await late.waitFor(() => late.events.some(({ event }) => event === 'snapshot_end'), 'the whole snapshot');
    const first = late.events.map(jsonOf).find((data) => data['download_id'] !== undefined);
    expect(first).toMatchObject({ download_id, hive_id: 'hive-b', orchestrator_id: 'queen-1' });
  });
});

describe('the queen', () => {
  it('chooses a hive that is downloading the model, then one that holds it, and gives the reason', {
    timeout: 60_000,
  }, async () => {
    await start({ hiveIds: ['hive-a', 'hive-b'] });
    const first = await startDownload(fleet.queen.url, model('hive-a'), { hive_id: 'hive-b' });
    const joined = await startDownload(fleet.queen.url, model('hive-a'));
    expect(joined.download_id).toBe(first.download_id);
    const why = async ({ job_id }: { job_id: string }) => {
      const reader = await readStream(`${fleet.queen.url}/v1/jobs/${job_id}/stream`);
      await reader.waitFor(() => reader.events.length > 0, 'the first line');
      return spoken(reader.events)[0];
    };
    expect(await why(joined)).toBe('🐝 hive-b: already downloading the model');
    const other = await startDownload(fleet.queen.url, model('hive-c'));
    expect(await why(other)).toBe('🐝 hive-a: fewest active downloads');
    expect(await get(`/v1/downloads/${other.download_id}`)).toMatchObject({ hive_id: 'hive-a' });

    fleet.hub.throttle(null);
    await (await follow(`/v1/downloads/${first.download_id}/stream`)).toEnd();
    // Now it holds the model, and has the same load as the other.
    const again = await startDownload(fleet.queen.url, model('hive-a'));
    expect(await why(again)).toBe('🐝 hive-b: already has the model');
    const models = (await get('/v1/models'))['models'] as Record<string, unknown>[];
    expect(models.filter(({ hive_id }) => hive_id === 'hive-b')).toMatchObject([{ bytes: SIZE, files: 1 }]);
  });

  it('finds the hive that holds a model, and verifies and removes the model there', { timeout: 60_000 }, async () => {
    await start({ hiveIds: ['hive-a', 'hive-b'] });
    fleet.hub.throttle(null);
    const { download_id } = await startDownload(fleet.queen.url, model('hive-a'), { hive_id: 'hive-b' });
    await (await follow(`/v1/downloads/${download_id}/stream`)).toEnd();
    const [held] = (await get('/v1/models'))['models'] as Record<string, unknown>[];
    const path = `/v1/models/${held?.['model_id']}`;
    expect(await get(path)).toMatchObject({ hive_id: 'hive-b', bytes: SIZE });
    const verifying = await api('POST', `${fleet.queen.url}${path}/verify`);
    const job = await follow(String(verifying.body['sse_url']));
    await job.toEnd();
    const results = job.events().filter(({ event }) => event === 'data');
    expect(results.map((event) => jsonOf(event))).toMatchObject([
      { action: 'model_verify', payload: { hive_id: 'hive-b', models: [{ ok: true }] } },
    ]);
    expect(await api('DELETE', fleet.queen.url + path)).toMatchObject({
      status: 200,
      body: { hive_id: 'hive-b', freed_bytes: SIZE },
    });
    expect(await get('/v1/models')).toMatchObject({ models: [], problems: [] });
  });

  it('keeps a cancel for an offline hive over its own restart, and delivers it when the hive is back', {
    timeout: 90_000,
  }, async () => {
    await start({ hiveIds: ['hive-a'] });
    const { job_id, download_id } = await startDownload(fleet.queen.url, model('hive-a'));
    const reader = await follow(`/v1/downloads/${download_id}/stream`);
    await fleet.hub.waitFor(hasBytes(reader), 'bytes', { timeoutMs: 30_000 });
    await fleet.hive.program.kill();
    const receipt = await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`);
    const unreachable = { download_id, hive_id: 'hive-a', state: 'unreachable', partial: null, bytes: 0 };
    expect(receipt.body).toEqual({ job_id, status: 'cancelled', downloads: [unreachable] });
    const isTold = () => reader.events().some(({ data }) => data.includes('"CANCEL_PENDING"'));
    await fleet.hub.waitFor(isTold, 'the notice to the readers');
    expect(terminalsOf(reader.events())).toEqual([]);

    await fleet.queen.program.kill();
    await fleet.restartQueen();
    expect((await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`)).body['downloads']).toEqual([unreachable]);
    await fleet.restart(fleet.hive);
    await reader.toEnd();
    expect(terminalsOf(reader.events())).toEqual(['cancelled']);
    const after = await api('DELETE', `${fleet.queen.url}/v1/jobs/${job_id}`);
    expect(after.body).toMatchObject({ status: 'cancelled', downloads: [{ state: 'ended', partial: 'kept' }] });
  });

  it('refuses a second hive with the name of an online one, and follows a hive to its new address', {
    timeout: 90_000,
  }, async () => {
    await start({ hiveIds: ['hive-a'] });
    const impostor = await startDaemon(
      'hive',
      ['--queen-url', fleet.queen.url, '--id', 'hive-a', '--models-dir', `${fleet.folder}/other/models`],
      { HOME: fleet.folder, RBEE_HIVE_STATE_DIR: `${fleet.folder}/other/state`, HF_ENDPOINT: fleet.hub.url },
    );
    try {
      const refused = await impostor.program.waitForLine(
        ({ json }) => json?.['msg'] === 'not registered with the queen',
        'the refusal',
      );
      expect(String(refused.json?.['problem'])).toMatch(/another hive named hive-a is running/);
    } finally {
      await impostor.program.kill();
    }
    expect((await hivesOf()).map((hive) => hive['hive_url'])).toEqual([fleet.hive.url]);

    const { download_id } = await startDownload(fleet.queen.url, model('hive-a'));
    const reader = await follow(`/v1/downloads/${download_id}/stream`);
    await fleet.hub.waitFor(hasBytes(reader), 'bytes', { timeoutMs: 30_000 });
    await fleet.hive.program.kill();
    await fleet.restart(fleet.hive, 'elsewhere');
    fleet.hub.throttle(null);
    await reader.toEnd();
    expect(terminalsOf(reader.events())).toEqual(['complete']);
    expect((await hivesOf()).map((hive) => hive['hive_url'])).toEqual([fleet.hives.at(-1)?.url]);
  });

  it('marks a silent hive as offline, lists its last state, and still knows it after its own restart', {
    timeout: 60_000,
  }, async () => {
    await start({ hiveIds: ['hive-a'] });
    await fleet.hive.program.kill();
    const [hive] = await online('hive-a', false);
    expect(hive).toMatchObject({ hive_id: 'hive-a', active_downloads: 0, speed_bps: 0 });
    expect(Number(hive?.['free_bytes'])).toBeGreaterThan(0);
    await fleet.queen.program.stop();
    await fleet.restartQueen();
    expect(await hivesOf()).toMatchObject([
      { hive_id: 'hive-a', hive_url: fleet.hive.url, online: false, last_seen_at: hive?.['last_seen_at'] },
    ]);
    expect(
      await api('POST', `${fleet.queen.url}/v1/jobs`, { operation: 'model_download', model: model('hive-a') }),
    ).toMatchObject({ status: 503, body: { error: { code: 'HIVE_UNAVAILABLE' } } });
  });
});

describe('the limits of the fleet', () => {
  it('divide one budget over the hives that download, and restore the limit of each afterwards', {
    timeout: 90_000,
  }, async () => {
    // Less than the hub sends: the hives use all of their shares.
    const BUDGET = 1_000_000;
    await start({ hiveIds: ['hive-a', 'hive-b'], queenEnv: { RBEE_QUEEN_MAX_BANDWIDTH: String(BUDGET) } });
    const limits = async () => (await hivesOf()).map((hive) => hive['max_bandwidth']);
    const are = (what: string, ...wanted: (number | null)[]) =>
      until(what, limits, (now) => now.every((limit, index) => limit === wanted[index]));
    const first = await startDownload(fleet.queen.url, model('hive-a'), { hive_id: 'hive-a' });
    await are('all for one', BUDGET, null);
    await startDownload(fleet.queen.url, model('hive-b'), { hive_id: 'hive-b' });
    await are('a half each', BUDGET / 2, BUDGET / 2);
    for (const hive of fleet.hives) {
      expect((await api('GET', `${hive.url}/v2/settings`)).body).toMatchObject({ max_bandwidth: BUDGET / 2 });
    }
    const capped = await api('PATCH', `${fleet.queen.url}/v1/hives/hive-b`, { max_bandwidth: '200kB/s' });
    expect(capped).toMatchObject({ status: 200, body: { hive_id: 'hive-b', max_bandwidth: 200_000 } });
    expect(await limits()).toEqual([800_000, 200_000]);
    await api('DELETE', `${fleet.queen.url}/v1/jobs/${first.job_id}`);
    await are('the first to be free', null, 200_000);
    expect(await api('PATCH', `${fleet.queen.url}/v1/settings`, { max_bandwidth: '100kB/s' })).toMatchObject({
      status: 200,
      body: { max_bandwidth: 100_000 },
    });
    expect(await limits()).toEqual([null, 100_000]);
  });

  it('are set again on a hive that comes back', { timeout: 60_000 }, async () => {
    await start({ hiveIds: ['hive-a'] });
    const patch = { max_bandwidth: 7_000_000, max_concurrent_downloads: 1 };
    expect(await api('PATCH', `${fleet.queen.url}/v1/hives/nobody`, patch)).toMatchObject({ status: 404 });
    expect((await api('PATCH', `${fleet.queen.url}/v1/hives/hive-a`, patch)).body).toMatchObject(patch);
    await fleet.hive.program.kill();
    const again = await fleet.restart(fleet.hive);
    const settings = async () => (await api('GET', `${again.url}/v2/settings`)).body;
    await until('the limits', settings, (now) => now['max_bandwidth'] === 7_000_000);
    expect(await settings()).toEqual(patch);
  });
});
