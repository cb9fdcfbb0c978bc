import { type DownloadStatus, downloadStatusSchema, newDownloadId, newJobId } from '@rbee/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DownloadMove, type DownloadState, isEnded, LEGAL_MOVES, transition } from '../src/transition.ts';

function stateWith(overrides: Partial<DownloadState> = {}): DownloadState {
  return {
    downloadId: newDownloadId(),
    jobId: newJobId(),
    hiveId: 'hive-a',
    modelRef: 'hf:org/repo::file=x.gguf',
    status: 'queued',
    bytes: 0,
    total: null,
    filesDone: 0,
    filesTotal: 1,
    file: null,
    files: [],
    attempt: 1,
    connections: 0,
    bytesReused: 0,
    bytesWasted: 0,
    createdAtMs: 0,
    startedAtMs: null,
    endedAtMs: null,
    elapsedMs: 0,
    path: null,
    sha256: null,
    partial: null,
    error: null,
    priority: 0,
    maxBandwidth: null,
    retryOf: null,
    ...overrides,
  };
}

function moveTo(status: DownloadStatus): DownloadMove {
  if (status === 'complete') return { type: 'complete', path: '/models/x', sha256: null };
  if (status === 'failed') return { type: 'fail', failure: { code: 'DOWNLOAD_FAILED', message: 'broken' } };
  if (status === 'cancelled') return { type: 'cancel', partial: 'kept' };
  return { type: 'update', update: { status } };
}

// What the contract's eight statuses allow, written out a second time: a slip in the table shows here.
const ALLOWED: Record<DownloadStatus, string> = {
  queued: 'starting paused failed cancelled',
  starting: 'queued downloading verifying paused complete failed cancelled',
  downloading: 'queued starting verifying paused failed cancelled',
  verifying: 'queued starting downloading paused complete failed cancelled',
  paused: 'queued failed cancelled',
  complete: '',
  failed: '',
  cancelled: '',
};

describe('the eight statuses', () => {
  const pairs = downloadStatusSchema.options.flatMap((from) =>
    downloadStatusSchema.options.map((to) => ({ from, to })),
  );

  it.each(pairs.filter(({ from, to }) => from !== to))('$from -> $to', ({ from, to }) => {
    const legal = ALLOWED[from].split(' ').includes(to);
    const state = stateWith({ status: from });
    if (legal) expect(transition(state, moveTo(to), 5).status).toBe(to);
    else expect(() => transition(state, moveTo(to), 5)).toThrow(/cannot go from|it cannot change any more/);
  });

  it('never leave an end, whatever comes', () => {
    const status = fc.constantFrom(...downloadStatusSchema.options);
    fc.assert(
      fc.property(fc.array(status, { maxLength: 30 }), (wishes) => {
        let state = stateWith();
        let ended: DownloadStatus | null = null;
        for (const wish of wishes) {
          try {
            state = transition(state, moveTo(wish), 1);
          } catch {
            // An illegal move throws, and the state stays.
          }
          if (ended !== null) expect(state.status).toBe(ended);
          else if (isEnded(state.status)) ended = state.status;
        }
      }),
    );
  });

  it('have a way to an end from everywhere', () => {
    for (const status of downloadStatusSchema.options) {
      if (!isEnded(status)) expect(LEGAL_MOVES[status]).toEqual(expect.arrayContaining(['failed', 'cancelled']));
    }
  });
});

describe('bytes', () => {
  it('may fall only when as much is counted as wasted', () => {
    const state = stateWith({ status: 'downloading', bytes: 100 });
    expect(() => transition(state, { type: 'update', update: { bytes: 40 } }, 1)).toThrow('60 bytes disappeared');
    expect(() => transition(state, { type: 'update', update: { bytes: 40, bytesWasted: 59 } }, 1)).toThrow('60 bytes');
    expect(transition(state, { type: 'update', update: { bytes: 40, bytesWasted: 60 } }, 1)).toMatchObject({
      bytes: 40,
    });
  });

  it('are all there when a download is complete', () => {
    const state = stateWith({ status: 'verifying', bytes: 99, total: 100 });
    expect(() => transition(state, moveTo('complete'), 1)).toThrow('99 of 100');
    expect(transition({ ...state, bytes: 100 }, moveTo('complete'), 1)).toMatchObject({ total: 100, filesDone: 1 });
  });

  it('become the total of a download whose total was unknown', () => {
    const state = stateWith({ status: 'verifying', bytes: 7 });
    expect(transition(state, moveTo('complete'), 1).total).toBe(7);
  });

  it('count as wasted when a cancel discards them', () => {
    const state = stateWith({ status: 'downloading', bytes: 100, bytesWasted: 5 });
    const kept = transition(state, { type: 'cancel', partial: 'kept' }, 1);
    const discarded = transition(state, { type: 'cancel', partial: 'discarded' }, 1);
    expect(kept).toMatchObject({ bytes: 100, bytesWasted: 5, partial: 'kept' });
    expect(discarded).toMatchObject({ bytes: 0, bytesWasted: 105, partial: 'discarded' });
  });
});

describe('times', () => {
  it('start with the first status that is work, and stay', () => {
    const queued = stateWith();
    const started = transition(queued, { type: 'update', update: { status: 'starting' } }, 10);
    const later = transition(started, { type: 'update', update: { status: 'downloading' } }, 20);
    expect([queued.startedAtMs, started.startedAtMs, later.startedAtMs]).toEqual([null, 10, 10]);
    expect(transition(later, moveTo('failed'), 30)).toMatchObject({ startedAtMs: 10, endedAtMs: 30, connections: 0 });
  });
});
