import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import {
  DOWNLOAD_EVENT_NAMES,
  downloadEventSchemas,
  downloadSchema,
  downloadStatusSchema,
  isTerminalEvent,
  JOB_EVENT_NAMES,
  type JobEnd,
  jobDataSchema,
  narrationSchema,
  noticeCodeSchema,
  parseJobEnd,
  printJobEnd,
  relayedDownloadSchema,
  TERMINAL_EVENT_NAMES,
} from '../../src/index.ts';

const DOWNLOAD_ID = 'dl-0197f7e0-5a0e-7c39-9b1e-0a6de0e7a1b2';
const JOB_ID = 'job-0b7f7e0c-5a0e-4c39-9b1e-0a6de0e7a1b2';

const samples = {
  progress: {
    download_id: DOWNLOAD_ID,
    job_id: JOB_ID,
    hive_id: 'gpu-1',
    model_ref: 'hf:org/repo',
    status: 'downloading',
    bytes: 5,
    total: 10,
    percent: 50,
    speed_bps: 7,
    eta_secs: 1,
    elapsed_secs: 0.25,
    files_done: 0,
    files_total: 2,
    file: 'a.gguf',
    attempt: 1,
    connections: 4,
    bytes_reused: 0,
    bytes_wasted: 0,
    files: [{ name: 'a.gguf', bytes: 5, total: null, status: 'downloading' }],
  },
  notice: {
    download_id: DOWNLOAD_ID,
    code: 'RETRY',
    message: 'text',
    attempt: 2,
    max_attempts: 6,
    next_retry_at: '2026-01-02T03:04:05.678Z',
  },
  complete: { download_id: DOWNLOAD_ID, bytes: 10, total: 10, duration_secs: 1.5, path: '/a', sha256: 'ab'.repeat(32) },
  error: {
    download_id: DOWNLOAD_ID,
    error: 'text',
    code: 'DISK_FULL',
    hint: 'free some',
    bytes: 5,
    total: 10,
    retryable: false,
  },
  cancelled: { download_id: DOWNLOAD_ID, bytes: 5, total: 10, partial: 'kept' },
  narration: {
    job_id: JOB_ID,
    action: 'download_start',
    human: 'text',
    actor: 'queen-1',
    at: '2026-01-02T03:04:05Z',
    level: 'info',
  },
  data: { action: 'model_list', payload: { models: [] } },
};

/** The fields of each event as they are published: "?" may be left out, "|null" may be null. */
const PUBLISHED: Record<keyof typeof samples, string> = {
  progress:
    'download_id, job_id, hive_id, model_ref, status, bytes, total|null, percent|null, speed_bps, eta_secs|null, ' +
    'elapsed_secs, files_done, files_total, file|null, attempt, connections, bytes_reused, bytes_wasted, files?',
  notice: 'download_id, code, message, attempt?, max_attempts?, next_retry_at?',
  complete: 'download_id, bytes, total, duration_secs, path, sha256|null',
  error: 'download_id, error, code, hint?, bytes, total|null, retryable',
  cancelled: 'download_id, bytes, total|null, partial',
  narration: 'job_id, action, human, actor, at, level',
  data: 'action, payload',
};

const schemas: Record<keyof typeof samples, z.ZodObject> = {
  ...downloadEventSchemas,
  narration: narrationSchema,
  data: jobDataSchema,
};

const names = Object.keys(samples) as (keyof typeof samples)[];
const fieldsOf = (name: keyof typeof samples) =>
  PUBLISHED[name].split(', ').map((text) => ({
    field: text.replace(/\?|\|null/, ''),
    optional: text.endsWith('?'),
    nullable: text.endsWith('|null'),
  }));

describe.each(names)('the event %s', (name) => {
  const schema = schemas[name];
  const sample: Record<string, unknown> = samples[name];

  it('has the fields that are published, in their order, and no others', () => {
    expect(Object.keys(schema.shape)).toEqual(fieldsOf(name).map(({ field }) => field));
    expect(schema.parse(sample)).toEqual(sample);
  });

  it.each(fieldsOf(name))('has $field: optional $optional, nullable $nullable', ({ field, optional, nullable }) => {
    const { [field]: _, ...without } = sample;
    expect(schema.safeParse(without).success).toBe(optional);
    expect(schema.safeParse({ ...sample, [field]: null }).success).toBe(nullable);
    expect(schema.safeParse({ ...sample, [field]: Symbol('wrong') }).success).toBe(false);
  });

  it('lets a later version add a field', () => {
    expect(schema.safeParse({ ...sample, orchestrator_id: 'queen-1' }).success).toBe(true);
  });
});

describe('the values of events', () => {
  it('know the eight statuses', () => {
    const statuses = 'queued, starting, downloading, verifying, paused, complete, failed, cancelled';
    expect(downloadStatusSchema.options).toEqual(statuses.split(', '));
  });

  it.each(noticeCodeSchema.options)('take the notice %s', (code) => {
    expect(downloadEventSchemas.notice.parse({ download_id: DOWNLOAD_ID, code, message: 'text' }).code).toBe(code);
  });

  it.each([
    ['progress', { bytes: -1 }],
    ['progress', { bytes: 1.5 }],
    ['progress', { percent: 100.1 }],
    ['progress', { speed_bps: Number.POSITIVE_INFINITY }],
    ['progress', { status: 'done' }],
    ['progress', { attempt: 0 }],
    ['progress', { elapsed_secs: -0.1 }],
    ['notice', { code: 'OTHER' }],
    ['notice', { next_retry_at: '2026-01-02T03:04:05+01:00' }],
    ['notice', { next_retry_at: 'tomorrow' }],
    ['error', { code: 'NO_SUCH_CODE' }],
    ['cancelled', { partial: 'lost' }],
    ['narration', { level: 'debug' }],
    ['narration', { job_id: DOWNLOAD_ID }],
    ['data', { payload: [] }],
  ] as const)('refuse in %s %j', (name, change) => {
    expect(schemas[name].safeParse({ ...samples[name], ...change }).success).toBe(false);
  });

  it('are told apart by whether they end the stream', () => {
    expect(DOWNLOAD_EVENT_NAMES).toEqual(['progress', 'notice', 'complete', 'error', 'cancelled']);
    expect(DOWNLOAD_EVENT_NAMES.filter(isTerminalEvent)).toEqual(TERMINAL_EVENT_NAMES);
    expect(TERMINAL_EVENT_NAMES).toEqual(['complete', 'error', 'cancelled']);
    expect(JOB_EVENT_NAMES.some(isTerminalEvent)).toBe(false);
  });
});

describe('the snapshot of a download', () => {
  const snapshot = {
    ...samples.progress,
    created_at: '2026-01-02T03:04:05.678Z',
    started_at: null,
    ended_at: null,
    path: null,
    sha256: null,
    partial: null,
    error: { code: 'DISK_FULL', message: 'text' },
    priority: 0,
    max_bandwidth: null,
    retry_of: null,
  };

  it('holds all of progress and how it ended', () => {
    expect(downloadSchema.parse(snapshot)).toEqual(snapshot);
    for (const field of Object.keys(samples.progress)) expect(downloadSchema.shape).toHaveProperty(field);
  });

  it('names the queen where a queen relays it', () => {
    const relayed = { ...snapshot, orchestrator_id: 'queen-1' };
    expect(relayedDownloadSchema.parse(relayed)).toEqual(relayed);
    expect(relayedDownloadSchema.safeParse(snapshot).success).toBe(false);
  });
});

describe('the end of a job', () => {
  it.each<[JobEnd, string]>([
    [{ state: 'completed' }, '[DONE]'],
    [{ state: 'cancelled' }, '[CANCELLED]'],
    [{ state: 'failed', message: 'the disk is full' }, '[ERROR] the disk is full'],
    [{ state: 'failed', message: '[DONE]' }, '[ERROR] [DONE]'],
  ])('%j is the text %s, and back', (end, text) => {
    expect(printJobEnd(end)).toBe(text);
    expect(parseJobEnd(text)).toEqual(end);
  });

  it.each(['', 'DONE', '[DONE] ', '[done]', '{"action":"x"}', 'it failed: [ERROR] x'])('is not seen in %j', (text) => {
    expect(parseJobEnd(text)).toBeNull();
  });

  it('is one line, whatever the message', () => {
    const unit = fc.constantFrom('a', ' ', '\n', '\r', '\r\n', '\v', '\f', '\u0085', '\u2028', '\u2029', '[DONE]', 'é');
    const message = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(unit).map((units) => units.join('')),
    );
    fc.assert(
      fc.property(message, (text) => {
        const printed = printJobEnd({ state: 'failed', message: text });
        expect(printed).not.toMatch(/[\n\v\f\r\u0085\u2028\u2029]/);
        const end = parseJobEnd(printed);
        expect(end).toMatchObject({ state: 'failed' });
        expect(printJobEnd(end ?? { state: 'completed' }).trim()).toBe(
          printed.replace(/^\[ERROR\]\s+/, '[ERROR] ').trim(),
        );
      }),
    );
  });

  it('gives a message of one trimmed line back as it was', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const message = text.trim();
        expect(parseJobEnd(printJobEnd({ state: 'failed', message }))).toEqual({ state: 'failed', message });
      }),
    );
  });
});
