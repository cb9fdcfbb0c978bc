import { type DownloadId, downloadEventSchemas, downloadSchema, newDownloadId, newJobId } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import type { DownloadState, DownloadTracker } from '../src/index.ts';
import { createFlowing, createTracked, MODEL_REF, progressOf } from './support.ts';

const FAILURE = { code: 'DOWNLOAD_TIMEOUT', message: 'no answer', hint: 'try again' } as const;

describe('the events of the tracker', () => {
  it('have every change of status, immediately', () => {
    const { tracker, events, id } = createTracked();
    tracker.update(id, { status: 'starting' });
    tracker.update(id, { status: 'downloading' });
    tracker.update(id, { status: 'paused' });
    tracker.update(id, { status: 'queued' });
    const emitted = progressOf(events).map(({ status }) => status);
    expect(emitted).toEqual(['queued', 'starting', 'downloading', 'paused', 'queued']);
  });

  it('have bytes alone at most every 250 ms', () => {
    const { tracker, events, clock, id } = createFlowing();
    for (let ms = 0; ms < 1_000; ms += 10) {
      clock.advance(10);
      tracker.update(id, { bytes: (ms + 10) * 10 });
    }
    expect(progressOf(events).map(({ bytes }) => bytes)).toEqual([2_400, 4_900, 7_400, 9_900]);
  });

  it('have the speed each second while no bytes arrive, until it is 0, and then stop', () => {
    const { tracker, events, clock, id } = createFlowing();
    for (let step = 1; step <= 8; step += 1) {
      tracker.update(id, { bytes: step * 25_000 });
      clock.advance(250);
    }
    events.length = 0;
    clock.advance(60_000);
    const emitted = progressOf(events);
    expect(emitted.map(({ speed_bps }) => speed_bps)).toEqual(
      emitted.map(({ speed_bps }) => speed_bps).toSorted((a, b) => b - a),
    );
    expect(emitted.at(-1)).toMatchObject({ speed_bps: 0, eta_secs: null, percent: 20 });
    expect(emitted.length).toBeLessThanOrEqual(6);
  });

  it('name the files in progress if there are several, eight at most', () => {
    const { tracker, clock, events, id } = createFlowing();
    const files = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        name: `file-${index}`,
        bytes: index,
        total: null,
        status: 'downloading' as const,
      }));
    tracker.update(id, { files: files(1) });
    expect(tracker.get(id)).not.toHaveProperty('files');
    tracker.update(id, { files: files(9), filesTotal: 12 });
    clock.advance(250);
    const [emitted] = progressOf(events);
    expect(emitted?.files).toEqual(files(8));
    expect(downloadEventSchemas.progress.parse(emitted)).toEqual(emitted);
    expect(tracker.get(id).files).toEqual(files(8));
  });

  it.each([
    ['is paused', (tracker: DownloadTracker, id: DownloadId) => tracker.update(id, { status: 'paused' })],
    ['is cancelled', (tracker: DownloadTracker, id: DownloadId) => tracker.cancel(id, 'kept')],
    ['has failed', (tracker: DownloadTracker, id: DownloadId) => tracker.fail(id, FAILURE)],
  ])('name no file of a download that %s', (_, end) => {
    const { tracker, id } = createFlowing();
    const file = { name: 'a.gguf', bytes: 1, total: 10, status: 'downloading' as const };
    tracker.update(id, { files: [file], filesTotal: 2 });
    expect(tracker.get(id).files).toEqual([file]);
    end(tracker, id);
    expect(tracker.get(id)).not.toHaveProperty('files');
  });

  it('match the schemas of the wire', () => {
    const { tracker, events, clock, id } = createFlowing();
    tracker.update(id, { bytes: 333_333, file: 'x.gguf', bytesReused: 10 });
    clock.advance(1_000);
    tracker.notice(id, {
      code: 'RETRY',
      message: 'again',
      attempt: 2,
      maxAttempts: 6,
      nextRetryAtMs: clock.now() + 100,
    });
    expect(downloadSchema.parse(tracker.get(id))).toMatchObject({
      percent: 33.3,
      files_total: 1,
      model_ref: MODEL_REF,
    });
    tracker.fail(id, FAILURE);
    for (const { event, data } of events) downloadEventSchemas[event].parse(data);
    expect(events.map(({ event }) => event)).toEqual(['progress', 'notice', 'error']);
  });

  it('have a speed of 0 and no ETA outside of downloading', () => {
    const { tracker, clock, id } = createFlowing();
    for (let step = 1; step <= 8; step += 1) {
      tracker.update(id, { bytes: step * 25_000 });
      clock.advance(250);
    }
    expect(tracker.get(id)).toMatchObject({ speed_bps: 100_000, eta_secs: 8 });
    tracker.update(id, { status: 'verifying' });
    expect(tracker.get(id)).toMatchObject({ speed_bps: 0, eta_secs: null });
  });

  it('do not count bytes that were on disk as speed', () => {
    const { tracker, clock, id } = createFlowing();
    tracker.update(id, { bytes: 900_000, bytesReused: 900_000 });
    clock.advance(2_000);
    expect(tracker.get(id)).toMatchObject({ speed_bps: 0, percent: 90 });
  });
});

describe('the end', () => {
  it.each([
    ['complete', (t: ReturnType<typeof createFlowing>) => t.tracker.complete(t.id, { path: '/m/x', sha256: 'ab' })],
    ['error', (t: ReturnType<typeof createFlowing>) => t.tracker.fail(t.id, FAILURE)],
    ['cancelled', (t: ReturnType<typeof createFlowing>) => t.tracker.cancel(t.id, 'kept')],
  ] as const)('by %s comes once, after the last bytes, and nothing after it', (name, end) => {
    const tracked = createFlowing();
    const { tracker, events, clock, id } = tracked;
    tracker.update(id, { bytes: 999_999 });
    tracker.update(id, { status: 'verifying', bytes: 1_000_000 });
    end(tracked);
    expect(() => end(tracked)).toThrow();
    expect(() => tracker.update(id, { bytes: 1 })).toThrow();
    expect(() => tracker.notice(id, { code: 'RETRY', message: 'again' })).toThrow();
    clock.advance(60_000);
    expect(events.map(({ event }) => event)).toEqual(['progress', name]);
    expect(progressOf(events)[0]).toMatchObject({ bytes: 1_000_000, percent: 100 });
    expect(clock.pending).toBe(0);
  });

  it('says how long it took and where the file is', () => {
    const { tracker, events, clock, id } = createFlowing(100);
    clock.advance(1_234);
    tracker.update(id, { status: 'verifying', bytes: 100 });
    tracker.complete(id, { path: '/models/x.gguf', sha256: 'ab'.repeat(32) });
    expect(events.at(-1)).toEqual({
      event: 'complete',
      data: {
        download_id: id,
        bytes: 100,
        total: 100,
        duration_secs: 1.234,
        path: '/models/x.gguf',
        sha256: 'ab'.repeat(32),
      },
    });
  });

  it('of a failure says whether a retry may help', () => {
    const { tracker, events, id } = createFlowing();
    tracker.fail(id, FAILURE);
    const { code, message: error, hint } = FAILURE;
    expect(events.at(-1)?.data).toEqual({
      download_id: id,
      error,
      code,
      hint,
      bytes: 0,
      total: 1_000_000,
      retryable: true,
    });
  });

  it('leaves the download in the list', () => {
    const { tracker, id } = createFlowing();
    tracker.cancel(id, 'discarded');
    expect(tracker.list().map(({ status, partial }) => ({ status, partial }))).toEqual([
      { status: 'cancelled', partial: 'discarded' },
    ]);
  });
});

describe('ids', () => {
  it('that are unknown are DOWNLOAD_NOT_FOUND', () => {
    const { tracker } = createTracked();
    const unknown = newDownloadId();
    for (const ask of [() => tracker.get(unknown), () => tracker.cancel(unknown, 'kept')]) {
      expect(ask).toThrow(expect.objectContaining({ code: 'DOWNLOAD_NOT_FOUND' }));
    }
  });

  it('are forgotten oldest first, and never while they run', () => {
    const { tracker, id: running } = createTracked({ historyLimit: 2 });
    const start = () => {
      const downloadId = newDownloadId();
      tracker.start({
        downloadId,
        jobId: newJobId(),
        hiveId: 'hive-a',
        modelRef: MODEL_REF,
        priority: 0,
        maxBandwidth: null,
        retryOf: null,
      });
      return downloadId;
    };
    const ended = [0, 1, 2].map(() => {
      const id = start();
      tracker.cancel(id, 'kept');
      return id;
    });
    const newest = start();
    expect(tracker.list().map(({ download_id }) => download_id)).toEqual([newest, ended[2], ended[1], running]);
  });
});

describe('a restart', () => {
  it('restores running downloads as queued, paused ones as paused, and ended ones as they were', () => {
    const kept = new Map<string, DownloadState>();
    const { tracker, id: running } = createTracked();
    tracker.onKeep((state) => kept.set(state.downloadId, state));
    const start = () => {
      const downloadId = newDownloadId();
      const more = { priority: 3, maxBandwidth: 1_000, retryOf: running };
      tracker.start({ downloadId, jobId: newJobId(), hiveId: 'hive-a', modelRef: MODEL_REF, ...more });
      return downloadId;
    };
    tracker.update(running, { status: 'starting' });
    tracker.update(running, { status: 'downloading', total: 100, bytes: 40 });
    const paused = start();
    tracker.update(paused, { status: 'paused' });
    const failed = start();
    tracker.fail(failed, FAILURE);

    const { tracker: next, events } = createTracked();
    events.length = 0;
    for (const state of JSON.parse(JSON.stringify([...kept.values()]))) next.restore(state);
    expect(next.get(running)).toMatchObject({ status: 'queued', total: 100, connections: 0 });
    expect(next.get(paused)).toMatchObject({ status: 'paused', priority: 3, max_bandwidth: 1_000, retry_of: running });
    expect(next.get(failed)).toMatchObject({ status: 'failed', error: FAILURE });
    expect(events.map(({ event }) => event)).toEqual(['progress', 'progress', 'error']);
  });

  it('gets a kept state at every change that matters, and the end is kept before it is emitted', () => {
    const { tracker, id, events } = createFlowing();
    const order: string[] = [];
    tracker.onKeep(({ status, priority }) => order.push(`kept ${status} ${priority}`));
    tracker.onEvent(({ event }) => order.push(`emitted ${event}`));
    tracker.update(id, { bytes: 10 });
    tracker.update(id, { priority: 5 });
    tracker.cancel(id, 'kept');
    expect(order).toEqual(['kept downloading 5', 'emitted progress', 'kept cancelled 5', 'emitted cancelled']);
    expect(events).toHaveLength(2);
  });

  it('forgets what is removed, and never what runs', () => {
    const { tracker, id } = createFlowing();
    const forgotten: string[] = [];
    tracker.onForget((gone) => forgotten.push(gone));
    expect(() => tracker.remove(id)).toThrow('has not ended');
    tracker.cancel(id, 'kept');
    tracker.remove(id);
    expect(forgotten).toEqual([id]);
    expect(tracker.has(id)).toBe(false);
  });
});
