import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { hiveRoutes, type Job, type JobState, newJobId } from '@rbee/contract';
import { createStreamHub } from '@rbee/event-stream';
import { describe, expect, it } from 'vitest';
import {
  addRoute,
  createLogger,
  createServer,
  jobHooks,
  requestIdHeader,
  withLogFields,
  withoutLogFields,
} from '../../src/index.ts';

function createLog() {
  const texts: string[] = [];
  const sink = new Writable({ write: (chunk, _, done) => done(void texts.push(String(chunk))) });
  const logger = createLogger({ name: 'test', level: 'info' }, sink);
  return { logger, texts, lines: () => texts.map((text) => JSON.parse(text) as Record<string, unknown>) };
}

describe('a line of the log', () => {
  it('names the request, the job and the download that it belongs to, even when the work continues later', async () => {
    const { logger, texts, lines } = createLog();
    const jobId = newJobId();
    await withLogFields({ requestId: 'r-1' }, () =>
      withLogFields({ jobId }, async () => {
        await delay(1);
        logger.info({ jobId }, 'deep');
      }),
    );
    logger.info('outside');
    expect(lines()).toMatchObject([{ requestId: 'r-1', jobId, msg: 'deep' }, { msg: 'outside' }]);
    expect(lines()[1]).not.toHaveProperty('requestId');
    expect(texts[0]?.match(/"jobId"/g)).toHaveLength(1);
  });

  it('has no fields where the daemon works for itself', async () => {
    const { logger, lines } = createLog();
    withLogFields({ requestId: 'r-1' }, () => withoutLogFields(() => logger.info('alone')));
    expect(lines()[0]).not.toHaveProperty('requestId');
  });

  it('has the id of the request in whose handler it is written, and one only', async () => {
    const { logger, texts, lines } = createLog();
    const hub = createStreamHub();
    const app = await createServer({ logger, hub, access: { apiToken: null }, title: 'test', version: '1' });
    const sent: unknown[] = [];
    addRoute(app, hiveRoutes.createJob, async () => {
      await delay(1);
      sent.push(requestIdHeader());
      logger.info('working');
      return { job_id: newJobId(), sse_url: '/' };
    });
    const headers = { 'x-request-id': 'r-2', host: '127.0.0.1' };
    await app.inject({ method: 'POST', url: '/v1/jobs', payload: { operation: 'model_list' }, headers });
    await app.close();
    expect(sent).toEqual([{ 'x-request-id': 'r-2' }]);
    expect(requestIdHeader()).toEqual({});
    expect(
      lines()
        .filter(({ requestId }) => requestId === 'r-2')
        .map(({ msg }) => msg),
    ).toEqual(['working', 'request']);
    for (const text of texts) expect(text.match(/"requestId"/g) ?? []).toHaveLength(text.includes('r-2') ? 1 : 0);
  });
});

describe('the jobs of a daemon', () => {
  it('are stored at every change, and logged once for each state, a failure by its code only', () => {
    const { logger, lines } = createLog();
    const kept: (string | null)[] = [];
    const hooks = jobHooks(logger, {
      saveJob: ({ state }) => kept.push(state),
      deleteJob: (id) => kept.push(id),
    });
    const id = newJobId();
    let state: JobState = 'queued';
    const error = { code: 'DOWNLOAD_FAILED', message: 'https://host/x?signature=1' } as const;
    const job = {
      id,
      snapshot: (): Job => ({
        job_id: id,
        operation: 'model_download',
        state,
        model: null,
        sse_url: '/x',
        created_at: '2026-01-01T00:00:00.000Z',
        ended_at: null,
        downloads: [],
        error: state === 'failed' ? error : null,
      }),
    };
    for (const next of ['queued', 'running', 'running', 'failed'] as const) {
      state = next;
      hooks.onChange(job);
    }
    hooks.onForget(id);
    hooks.within(job, () => logger.info('inside'));
    expect(kept).toEqual(['queued', 'running', 'running', 'failed', id]);
    expect(lines().map((line) => [line['jobId'], line['state'], line['code']])).toEqual([
      [id, 'queued', undefined],
      [id, 'running', undefined],
      [id, 'failed', 'DOWNLOAD_FAILED'],
      [id, undefined, undefined],
    ]);
    expect(JSON.stringify(lines())).not.toContain('signature');
  });
});
