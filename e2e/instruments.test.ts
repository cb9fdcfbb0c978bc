import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findCommand, makeSampleGguf, type Program } from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Daemon, type Fleet, startFleet } from './support/fleet.ts';

// Goal: an operator sees what a fleet does, and finds everything that belongs to one command.
// Method: real daemons go through one download that the keeper asked for; what they expose is read by
// Prometheus' own tool, and what they logged is searched for the id of the keeper's command.

const MODEL = 'hf:org/model::file=model.gguf';
const MONITORING = fileURLToPath(new URL('../docs/operating/monitoring', import.meta.url));
const bytes = makeSampleGguf({ size: 1024 * 1024, seed: 6 });
const promtool = findCommand('promtool');
/** Without it there is nothing to check with; under CI that is a failure. */
const itWithPromtool = promtool === null && process.env['CI'] !== 'true' ? it.skip : it;

let fleet: Fleet;
beforeAll(async () => {
  const env = { RBEE_LOG_LEVEL: 'debug', RBEE_HIVE_JOB_RATE: '10000', RBEE_QUEEN_JOB_RATE: '10000' };
  fleet = await startFleet({ hiveEnv: env, queenEnv: env });
  fleet.hub.addRepo({ id: 'org/model', files: { 'model.gguf': bytes } });
  const keeper = await fleet.keeper(['model', 'download', MODEL]);
  expect(await keeper.exited).toMatchObject({ code: 0 });
});
afterAll(() => fleet.close());

async function metricsOf(url: string): Promise<string> {
  const answer = await fetch(`${url}/metrics`);
  expect(answer.status).toBe(200);
  return answer.text();
}

const readingOf = (text: string, series: string) =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length + 1),
  );

/** Without the answers that a busy machine gives now and then: their classes are few, and known. */
const seriesOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !/status="(?:aborted|5xx)"/.test(line))
    .map((line) => line.replace(/ \S+$/, ''))
    .sort();

async function runPromtool(args: readonly string[], input?: string): Promise<string> {
  if (promtool === null) throw new Error('promtool is missing: take it from the Debian package prometheus');
  const running = promisify(execFile)(promtool, args, { cwd: MONITORING });
  running.child.stdin?.end(input);
  const { stdout, stderr } = await running;
  return stdout + stderr;
}

const linesWith = (program: Program, field: string, value: unknown) =>
  program.lines.flatMap(({ json }) => (json !== null && json[field] === value ? [json] : []));

const jobsEnded = (count: number) =>
  expect
    .poll(async () => readingOf(await metricsOf(fleet.hive.url), 'rbee_jobs_ended_total{state="completed"}'), {
      timeout: 60_000,
    })
    .toBe(count);

describe('the metrics of a hive and a queen', () => {
  it('tell the download that was made', async () => {
    await jobsEnded(1);
    const hive = await metricsOf(fleet.hive.url);
    expect(readingOf(hive, 'rbee_download_received_bytes_total')).toBe(bytes.length);
    expect(readingOf(hive, 'rbee_download_wasted_bytes_total')).toBe(0);
    expect(readingOf(hive, 'rbee_downloads_ended_total{outcome="complete",code="none"}')).toBe(1);
    expect(readingOf(hive, 'rbee_downloads{status="complete"}')).toBe(1);
    expect(readingOf(hive, 'rbee_jobs_ended_total{state="completed"}')).toBe(1);
    expect(readingOf(hive, 'rbee_store_free_bytes')).toBeGreaterThan(0);
    expect(readingOf(hive, 'rbee_download_connections')).toBe(0);
    await expect
      .poll(async () => readingOf(await metricsOf(fleet.queen.url), 'rbee_relay_upstreams'), { timeout: 60_000 })
      .toBe(0);
    const queen = await metricsOf(fleet.queen.url);
    expect(readingOf(queen, 'rbee_hives{state="online"}')).toBe(1);
    expect(readingOf(queen, 'rbee_placements_total{reason="least_busy"}')).toBe(1);
    // A stream that is opened after the end has one event and takes one write; there is that of the job, and of the download.
    expect(readingOf(queen, 'rbee_relay_events_total')).toBeGreaterThan(0);
    expect(readingOf(queen, 'rbee_stream_writes_total')).toBeGreaterThan(1);
  });

  itWithPromtool('are as Prometheus wants them', async () => {
    for (const { url } of [fleet.hive, fleet.queen]) {
      expect(await runPromtool(['check', 'metrics'], await metricsOf(url))).toBe('');
    }
  });

  it('have as many series after 200 downloads and failures as before', async () => {
    const round = async () => {
      await startDownload(fleet.queen.url, MODEL);
      await api('GET', `${fleet.queen.url}/v1/downloads`);
      await api('POST', `${fleet.queen.url}/v1/jobs`, { operation: 'model_download', model: 'hf:not a ref' });
      await metricsOf(fleet.hive.url);
      await metricsOf(fleet.queen.url);
    };
    await round();
    await round();
    await jobsEnded(3);
    const before = await Promise.all([fleet.hive.url, fleet.queen.url].map(metricsOf));
    for (let turn = 0; turn < 20; turn += 1) await Promise.all(Array.from({ length: 10 }, round));
    await jobsEnded(203);
    const after = await Promise.all([fleet.hive.url, fleet.queen.url].map(metricsOf));
    expect(after.map(seriesOf)).toEqual(before.map(seriesOf));
    expect(after.join()).not.toMatch(/dl-|job-|org\/model|127\.0\.0\.1|hive-a/);
  });
});

describe('what is asked of the metrics', () => {
  itWithPromtool(
    'by the alerts and the settings of Prometheus is well formed, and the alerts do what they say',
    async () => {
      expect(await runPromtool(['check', 'rules', 'rbee.rules.yml'])).toMatch(/SUCCESS: \d+ rules found/);
      expect(await runPromtool(['check', 'config', '--syntax-only', 'prometheus.yml'])).toMatch(/SUCCESS/);
      expect(await runPromtool(['test', 'rules', 'rbee.rules.test.yml'])).toMatch(/SUCCESS/);
    },
  );

  itWithPromtool('by the dashboard is well formed', async () => {
    const dashboard = JSON.parse(await readFile(join(MONITORING, 'grafana.json'), 'utf8')) as {
      readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
    };
    const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    const rules = queries.map((query, index) => ({
      record: `query:${index}`,
      expr: query.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.+'),
    }));
    const file = join(fleet.folder, 'queries.yml');
    await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    expect(await runPromtool(['check', 'rules', file])).toContain(`SUCCESS: ${queries.length} rules found`);
  });
});

describe('the id of a command', () => {
  const isStart = (line: Record<string, unknown>) => line['method'] === 'POST' && line['route'] === '/v1/jobs';
  const idOfDownload = async () => {
    const line = await fleet.queen.program.waitForLine(
      ({ json }) => json !== null && isStart(json),
      'the job to start',
    );
    return String(line.json?.['requestId']);
  };
  /** What the lines say, in short. */
  const said = (lines: readonly Record<string, unknown>[]) =>
    lines.map((line) => `${line['msg']} ${line['route'] ?? line['state'] ?? line['status']}`);

  it('is in the logs of both daemons, with the job and the download that came of it', async () => {
    const requestId = await idOfDownload();
    expect(requestId).toMatch(/^cli-/);
    const at = (daemon: Daemon) => linesWith(daemon.program, 'requestId', requestId);
    const ofQueen = ['request /v1/jobs', 'job running', 'job completed', 'request /v1/downloads/:id/stream'];
    await expect.poll(() => said(at(fleet.queen))).toEqual(expect.arrayContaining(ofQueen));
    const ofHive = [
      'request /v1/jobs',
      'request /v1/jobs/:id/stream',
      'request /v2/downloads/:id/stream',
      'job completed',
      'download downloading',
      'download complete',
    ];
    await expect.poll(() => said(at(fleet.hive))).toEqual(expect.arrayContaining(ofHive));
    const done = at(fleet.hive).find((line) => line['msg'] === 'download' && line['status'] === 'complete');
    expect(done).toMatchObject({ jobId: expect.stringMatching(/^job-/), downloadId: expect.stringMatching(/^dl-/) });
    const ended = at(fleet.queen).find((line) => line['state'] === 'completed');
    expect(ended?.['jobId']).toBe(done?.['jobId']);
  });

  it('is not that of what a daemon does for itself: the hive that registered is asked for its settings', async () => {
    const asked = await fleet.hive.program.waitForLine(
      ({ json }) => json?.['route'] === '/v2/settings',
      'the question',
    );
    await fleet.queen.program.waitForLine(({ json }) => json?.['route'] === '/v1/hive/ready', 'the hive to register');
    const registrations = linesWith(fleet.queen.program, 'route', '/v1/hive/ready').map((line) => line['requestId']);
    expect(registrations).not.toContain(asked.json?.['requestId']);
  });

  it('is printed with what a daemon refuses, and is in its log', async () => {
    const keeper = await fleet.keeper(['download', 'show', 'dl-0198c0de-0000-7000-8000-000000000000', '--json']);
    expect(await keeper.exited).toMatchObject({ code: 1 });
    const failure = keeper.lines[0]?.json as { error: { details: { request_id: string } } } | null | undefined;
    const requestId = failure?.error.details.request_id ?? '';
    expect(requestId).toMatch(/^cli-/);
    expect(keeper.stderr()).toContain(`request ${requestId})`);
    await expect.poll(() => linesWith(fleet.queen.program, 'requestId', requestId)).toMatchObject([{ status: 404 }]);
  });
});
