import { newDownloadId, newJobId } from '@rbee/contract';
import { DownloadTracker } from '@rbee/download-tracker';
import { createManualClock } from '@rbee/testing';
import type { TransferState } from '@rbee/transfer';
import { describe, expect, it } from 'vitest';
import { createDownloadProgress, presentState } from '../../src/downloads/download-progress.ts';
import type { SourceFile } from '../../src/sources/source.ts';

function fileOf(path: string, size: number | null): SourceFile {
  const locate = () => Promise.reject(new Error('nothing is fetched here'));
  return { path, blobName: path, size, sha256: null, gitSha1: null, locate };
}

function tallied(...sizes: (number | null)[]) {
  return talliedWith([], sizes);
}

/** `present`: the bytes of each file that are on disk. */
function talliedWith(present: readonly number[], sizes: readonly (number | null)[]) {
  const clock = createManualClock();
  const tracker = new DownloadTracker({ clock });
  const id = newDownloadId();
  tracker.start({
    downloadId: id,
    jobId: newJobId(),
    hiveId: 'hive-a',
    modelRef: 'hf:org/model',
    priority: 0,
    maxBandwidth: null,
    retryOf: null,
  });
  tracker.update(id, { status: 'starting' });
  const files = sizes.map((size, index) => fileOf(`file-${index}`, size));
  return { tracker, id, files, tally: createDownloadProgress({ tracker, clock }, id, files, present) };
}

function state(bytes: number, more: Partial<TransferState> = {}): TransferState {
  return { phase: 'downloading', bytes, total: 100, reused: 0, wasted: 0, attempt: 1, connections: 1, ...more };
}

describe('the progress of a download', () => {
  it('adds up bytes, reused and wasted bytes over all its files', () => {
    const { tracker, id, tally } = tallied(100, 50, 30);
    const one = tally.begin(0);
    one.onState(state(40));
    one.onState(state(0, { wasted: 40 }));
    one.onState(state(100, { wasted: 40 }));
    one.done();
    const two = tally.begin(1);
    two.onState(presentState(50));
    two.done();
    tally.begin(2).onState(state(10, { reused: 5, wasted: 1 }));
    expect(tracker.get(id)).toMatchObject({
      bytes: 160,
      total: 180,
      files_done: 2,
      files_total: 3,
      file: 'file-2',
      bytes_reused: 55,
      bytes_wasted: 41,
    });
  });

  it('adds up files that are fetched in parallel', () => {
    const { tracker, id, tally } = tallied(100, 50, 30);
    const [one, two, three] = [tally.begin(0), tally.begin(1), tally.begin(2)];
    one.onState(state(40, { connections: 3 }));
    two.onState(state(7, { attempt: 4 }));
    expect(tracker.get(id)).toMatchObject({ bytes: 47, connections: 4, attempt: 4, files_done: 0, file: 'file-0' });
    three.onState(state(30));
    two.onState(state(50));
    two.done();
    one.onState(state(41));
    expect(tracker.get(id)).toMatchObject({ bytes: 121, connections: 2, attempt: 1, files_done: 1, file: 'file-0' });
    three.done();
    one.onState(state(100));
    one.done();
    expect(tracker.get(id)).toMatchObject({ bytes: 180, connections: 0, files_done: 3 });
    expect(tracker.get(id)).not.toHaveProperty('files');
  });

  it('[I2] is downloading from its first byte until nothing is left to fetch, and verifying then', () => {
    const { tracker, id, tally } = tallied(100, 50);
    const [one, two] = [tally.begin(0), tally.begin(1)];
    const statusAfter = (change: () => void) => {
      change();
      return tracker.get(id).status;
    };
    expect(tracker.get(id).status).toBe('starting');
    expect(statusAfter(() => one.onState(state(1)))).toBe('downloading');
    expect(statusAfter(() => two.onState(state(0, { phase: 'starting' })))).toBe('downloading');
    expect(statusAfter(() => one.onState(state(100, { phase: 'verifying' })))).toBe('downloading');
    expect(statusAfter(() => one.done())).toBe('downloading');
    expect(statusAfter(() => two.onState(state(1)))).toBe('downloading');
    expect(statusAfter(() => two.onState(state(50, { phase: 'verifying' })))).toBe('verifying');
    expect(statusAfter(() => two.done())).toBe('verifying');
  });

  /** The changes of status of a download, after its start. */
  function statusesOf(tracker: DownloadTracker): string[] {
    const statuses: string[] = [];
    tracker.onEvent(({ event, data }) => {
      if (event === 'progress' && data.status !== statuses.at(-1)) statuses.push(data.status);
    });
    return statuses;
  }

  it('[I2] changes its status twice for 300 small files, one after the other or eight at a time', () => {
    for (const width of [1, 8]) {
      const { tracker, tally } = tallied(...Array.from({ length: 300 }, () => 10));
      const statuses = statusesOf(tracker);
      const started: { index: number; file: ReturnType<typeof tally.begin> }[] = [];
      const end = () => {
        const { file } = started.shift() ?? {};
        file?.onState(state(10, { total: 10, phase: 'verifying' }));
        file?.done();
      };
      for (let index = 0; index < 300; index += 1) {
        const file = tally.begin(index);
        file.onState(state(0, { total: 10, phase: 'starting' }));
        file.onState(state(5, { total: 10 }));
        started.push({ index, file });
        if (started.length === width) end();
      }
      while (started.length > 0) end();
      expect(statuses).toEqual(['downloading', 'verifying']);
    }
  });

  it('[I2] is verifying where everything is in the store', () => {
    const { tracker, id, tally } = talliedWith([100, 50], [100, 50]);
    const statuses = statusesOf(tracker);
    for (const index of [0, 1]) {
      const file = tally.begin(index);
      file.onState(presentState(index === 0 ? 100 : 50));
      file.done();
    }
    expect(statuses).toEqual(['verifying']);
    expect(tracker.get(id)).toMatchObject({ files_done: 2, bytes_reused: 150 });
  });

  it('[I2] counts files of unknown size, and of no bytes at all', () => {
    const { tracker, id, tally } = tallied(null, 0, 20);
    const [unknown, empty, last] = [tally.begin(0), tally.begin(1), tally.begin(2)];
    unknown.onState(state(70, { total: null }));
    empty.onState(state(0, { total: 0, phase: 'verifying' }));
    empty.done();
    last.onState(state(20, { total: 20, phase: 'verifying' }));
    last.done();
    expect(tracker.get(id).status).toBe('downloading');
    unknown.onState(state(70, { total: 70 }));
    expect(tracker.get(id).status).toBe('verifying');
  });

  it('[I2] is downloading again when a file has to be fetched again', () => {
    const { tracker, id, tally } = tallied(100);
    const file = tally.begin(0);
    file.onState(state(100, { phase: 'verifying' }));
    expect(tracker.get(id).status).toBe('verifying');
    file.onState(state(0, { wasted: 100, phase: 'starting' }));
    file.onState(state(1, { wasted: 100 }));
    expect(tracker.get(id).status).toBe('downloading');
  });

  it('lists the running files: their bytes, sizes and statuses', () => {
    const { tracker, id, tally } = tallied(100, null);
    const one = tally.begin(0);
    expect(tracker.get(id).files).toEqual([{ name: 'file-0', bytes: 0, total: 100, status: 'starting' }]);
    one.onState(state(40));
    const two = tally.begin(1);
    two.onState(state(7, { total: null }));
    expect(tracker.get(id).files).toEqual([
      { name: 'file-0', bytes: 40, total: 100, status: 'downloading' },
      { name: 'file-1', bytes: 7, total: null, status: 'downloading' },
    ]);
    one.onState(state(100, { phase: 'verifying' }));
    one.done();
    expect(tracker.get(id).files).toEqual([{ name: 'file-1', bytes: 7, total: null, status: 'downloading' }]);
    tracker.update(id, { status: 'paused' });
    expect(tracker.get(id)).not.toHaveProperty('files');
  });

  it('takes the total of a single file from its transfer if the source did not know it', () => {
    const { tracker, id, tally } = tallied(null);
    tally.begin(0).onState(state(10, { total: 70 }));
    expect(tracker.get(id)).toMatchObject({ total: 70, percent: 14.2 });
  });

  it('counts bytes on disk from the start, as reused', () => {
    const { tracker, id, tally } = talliedWith([100, 20, 0], [100, 50, 30]);
    expect(tracker.get(id)).toMatchObject({ bytes: 120, bytes_reused: 120, bytes_wasted: 0, total: 180 });
    const two = tally.begin(1);
    two.onState(state(20, { phase: 'starting', reused: 20 }));
    two.onState(state(25, { reused: 20 }));
    tally.begin(0).onState(presentState(100));
    expect(tracker.get(id)).toMatchObject({ bytes: 125, bytes_reused: 120, bytes_wasted: 0 });
    // The server sent another version: the bytes on disk are useless.
    two.onState(state(0, { reused: 0, wasted: 25 }));
    expect(tracker.get(id)).toMatchObject({ bytes: 100, bytes_reused: 100, bytes_wasted: 25 });
  });

  it('counts as wasted what a transfer lost before this download took it over', () => {
    const { tracker, id, tally } = tallied(100);
    const watcher = tally.begin(0);
    watcher.onState(state(60, { wasted: 5 }));
    // The cancel of another download has discarded the partial; this one starts at 0.
    watcher.onState(state(0, { phase: 'starting' }));
    watcher.onState(state(100));
    expect(tracker.get(id)).toMatchObject({ bytes: 100, bytes_wasted: 65 });
  });

  it('continues from the numbers of a previous run, and counts only what is really gone as wasted', () => {
    const { tracker, id, files, tally: earlier } = tallied(100, 50);
    const first = earlier.begin(0);
    first.onState(state(100));
    first.done();
    earlier.begin(1).onState(state(30, { wasted: 2 }));
    tracker.update(id, { status: 'paused' });
    tracker.update(id, { status: 'queued' });
    tracker.update(id, { status: 'starting' });

    const later = createDownloadProgress({ tracker, clock: createManualClock() }, id, files, [100, 25]);
    expect(tracker.get(id)).toMatchObject({ bytes: 125, bytes_wasted: 7, bytes_reused: 0, files_done: 0 });
    const [again, rest] = [later.begin(0), later.begin(1)];
    rest.onState(state(25, { phase: 'starting', reused: 25 }));
    again.onState(presentState(100));
    rest.onState(state(50, { reused: 25 }));
    expect(tracker.get(id)).toMatchObject({ bytes: 150, bytes_wasted: 7, bytes_reused: 0 });
  });
});
