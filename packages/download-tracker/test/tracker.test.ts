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

describe('the speed of a download', () => {
  const files = 30;
  const perFile = 100_000;

  it('[I1] is an average over all its files, however short each is', () => {
    const { tracker, clock, events, id } = createFlowing(files * perFile);
    // A file each 300 ms: shorter than four samples.
    for (let file = 1; file <= files; file += 1) {
      tracker.update(id, { bytes: file * perFile, filesDone: file, filesTotal: files });
      clock.advance(300);
    }
    const shown = progressOf(events);
    const early = shown.filter(({ elapsed_secs }) => elapsed_secs <= 1.25);
    const rest = shown.filter(({ elapsed_secs }) => elapsed_secs > 1.25);
    expect(early.length).toBeLessThan(6);
    expect(rest.length).toBeGreaterThan(20);
    for (const { speed_bps, eta_secs } of rest) {
      expect(Math.abs(speed_bps - perFile / 0.3)).toBeLessThan((perFile / 0.3) * 0.6);
      expect(eta_secs).not.toBeNull();
    }
  });

  it('[I1] survives a verify in between, which says nothing about it', () => {
    const { tracker, clock, id } = createFlowing();
    for (let step = 1; step <= 20; step += 1) {
      tracker.update(id, { bytes: step * 25_000 });
      clock.advance(250);
    }
    tracker.update(id, { status: 'verifying' });
    clock.advance(600_000);
    expect(tracker.get(id)).toMatchObject({ speed_bps: 0, eta_secs: null });
    tracker.update(id, { status: 'downloading' });
    expect(tracker.get(id)).toMatchObject({ speed_bps: 100_000, eta_secs: 5 });
  });

  it('[I1] starts again after a pause, without the time of the pause', () => {
    const { tracker, clock, id } = createFlowing();
    tracker.update(id, { bytes: 500_000 });
    clock.advance(1_000);
    for (const status of ['paused', 'queued', 'starting', 'downloading'] as const) {
      tracker.update(id, { status });
      clock.advance(3_600_000);
    }
    expect(tracker.get(id).speed_bps).toBe(0);
  });

  it('[I1] does not count bytes on disk that turn out to be useless', () => {
    const { tracker, clock, id } = createTracked();
    tracker.update(id, { status: 'starting', bytes: 900_000, bytesReused: 900_000, total: 1_000_000 });
    tracker.update(id, { status: 'downloading' });
    clock.advance(1_000);
    // The source has changed: it starts from 0.
    tracker.update(id, { bytes: 0, bytesReused: 0, bytesWasted: 900_000 });
    clock.advance(1_000);
    expect(tracker.get(id).speed_bps).toBe(0);
    tracker.update(id, { bytes: 1_000 });
    clock.advance(250);
    expect(tracker.get(id).speed_bps).toBeLessThanOrEqual(4_000);
  });

  it('[I1] has an ETA that follows a throttle down to a crawl', () => {
    const { tracker, clock, id } = createFlowing(10_000_000);
    let bytes = 0;
    const flow = (perSecond: number, seconds: number) => {
      for (let step = 0; step < seconds * 4; step += 1) {
        bytes += perSecond / 4;
        tracker.update(id, { bytes });
        clock.advance(250);
      }
    };
    flow(100_000, 10);
    expect(tracker.get(id)).toMatchObject({ speed_bps: 100_000, eta_secs: 90 });
    flow(1_000, 30);
    expect(tracker.get(id).speed_bps).toBeLessThan(1_100);
    expect(tracker.get(id).eta_secs).toBeGreaterThan(8_000);
  });
});

describe('a clock that is set while a download runs', () => {
  const day = 86_400_000;

  it.each([400, -400, 0.01])('[I3] by %d days changes no duration, speed or ETA', (days) => {
    const { tracker, clock, events, id } = createFlowing();
    for (let step = 1; step <= 8; step += 1) {
      tracker.update(id, { bytes: step * 25_000 });
      clock.advance(250);
      if (step === 4) clock.set(clock.now() + days * day);
    }
    expect(tracker.get(id)).toMatchObject({ speed_bps: 100_000, eta_secs: 8, elapsed_secs: 2 });
    clock.set(clock.now() - 2 * days * day);
    tracker.update(id, { status: 'verifying', bytes: 1_000_000 });
    clock.advance(500);
    tracker.complete(id, { path: '/m/x', sha256: null });
    expect(events.at(-1)).toMatchObject({ event: 'complete', data: { duration_secs: 2.5 } });
    expect(tracker.get(id).elapsed_secs).toBe(2.5);
    for (const { elapsed_secs } of progressOf(events)) expect(elapsed_secs).toBeLessThanOrEqual(2.5);
  });

  it('[I3] still gets its events on time', () => {
    const { tracker, clock, events, id } = createFlowing();
    clock.set(clock.now() - 400 * day);
    tracker.update(id, { bytes: 10 });
    clock.advance(250);
    expect(progressOf(events).map(({ bytes }) => bytes)).toEqual([10]);
  });

  it('[I3] between two runs of the hive changes no duration either', () => {
    const kept: DownloadState[] = [];
    const first = createFlowing();
    first.tracker.onSend((states) => kept.push(...states));
    first.clock.advance(5_000);
    first.tracker.update(first.id, { bytes: 10 });
    first.clock.advance(250);
    const { tracker, clock } = createTracked();
    clock.set(clock.now() - 400 * day);
    const [state] = kept.slice(-1);
    if (!state) throw new Error('nothing was sent');
    tracker.restore(state);
    tracker.update(first.id, { status: 'starting' });
    clock.advance(1_000);
    expect(tracker.get(first.id)).toMatchObject({ elapsed_secs: 6.25, bytes: 10 });
  });
});

describe('what readers see', () => {
  it('[I4] is handed to the history first, for all downloads of a moment together', () => {
    const { tracker, clock, events, id } = createFlowing();
    const order: string[] = [];
    tracker.onSend((states) => order.push(`sent ${states.map(({ bytes }) => bytes).join()}`));
    tracker.onEvent(({ event }) => order.push(event));
    const other = newDownloadId();
    const more = { modelRef: MODEL_REF, priority: 0, maxBandwidth: null, retryOf: null };
    tracker.start({ downloadId: other, jobId: newJobId(), hiveId: 'hive-a', ...more });
    tracker.update(other, { status: 'starting' });
    tracker.update(other, { status: 'downloading' });
    order.length = 0;
    tracker.update(id, { bytes: 1 });
    tracker.update(other, { bytes: 2 });
    expect(order).toEqual([]);
    clock.advance(250);
    expect(order).toEqual(['sent 1,2', 'progress', 'progress']);
    expect(events.length).toBeGreaterThan(0);
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
