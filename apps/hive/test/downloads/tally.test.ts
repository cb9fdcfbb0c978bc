import { newDownloadId, newJobId } from '@rbee/contract';
import { DownloadTracker } from '@rbee/download-tracker';
import { createManualClock } from '@rbee/testing';
import type { TransferState } from '@rbee/transfer';
import { describe, expect, it } from 'vitest';
import { createTally, presentState } from '../../src/downloads/tally.ts';
import type { SourceFile } from '../../src/sources/source.ts';

function fileOf(path: string, size: number | null): SourceFile {
  const locate = () => Promise.reject(new Error('nothing is fetched here'));
  return { path, blobName: path, size, sha256: null, gitSha1: null, locate };
}

function tallied(...sizes: (number | null)[]) {
  const tracker = new DownloadTracker({ clock: createManualClock() });
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
  return { tracker, id, files, tally: createTally(tracker, id, files) };
}

function state(bytes: number, more: Partial<TransferState> = {}): TransferState {
  return { phase: 'downloading', bytes, total: 100, reused: 0, wasted: 0, attempt: 1, connections: 1, ...more };
}

describe('the tally of a download', () => {
  it('adds up bytes, reused and wasted bytes over all its files', () => {
    const { tracker, id, files, tally } = tallied(100, 50, 30);
    const [first, second, third] = files;
    if (!first || !second || !third) throw new Error('three files');
    const one = tally.begin(first);
    one.onState(state(40));
    one.onState(state(0, { wasted: 40 }));
    one.onState(state(100, { wasted: 40 }));
    tally.done();
    tally.begin(second).onState(presentState(50));
    tally.done();
    tally.begin(third).onState(state(10, { reused: 5, wasted: 1 }));
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

  it('tells of the file under way where there are several: its own bytes, its size and how far it is', () => {
    const { tracker, id, files, tally } = tallied(100, null);
    const [first, second] = files;
    if (!first || !second) throw new Error('two files');
    const watcher = tally.begin(first);
    expect(tracker.get(id).files).toEqual([{ name: 'file-0', bytes: 0, total: 100, status: 'starting' }]);
    watcher.onState(state(40));
    expect(tracker.get(id).files).toEqual([{ name: 'file-0', bytes: 40, total: 100, status: 'downloading' }]);
    watcher.onState(state(100, { phase: 'verifying' }));
    tally.done();
    tally.begin(second).onState(state(7, { total: null }));
    expect(tracker.get(id).files).toEqual([{ name: 'file-1', bytes: 7, total: null, status: 'downloading' }]);
    tracker.update(id, { status: 'paused' });
    expect(tracker.get(id)).not.toHaveProperty('files');
  });

  it('takes the total of one file from its transfer, where the source did not know it', () => {
    const { tracker, id, files, tally } = tallied(null);
    const [file] = files;
    if (!file) throw new Error('a file');
    tally.begin(file).onState(state(10, { total: 70 }));
    expect(tracker.get(id)).toMatchObject({ total: 70, percent: 14.2 });
  });

  it('counts as wasted what a transfer lost before this one took it over', () => {
    const { tracker, id, files, tally } = tallied(100);
    const [file] = files;
    if (!file) throw new Error('a file');
    const watcher = tally.begin(file);
    watcher.onState(state(60, { wasted: 5 }));
    // Another download's cancel has discarded the partial; this one starts from nothing.
    watcher.onState(state(0, { phase: 'starting' }));
    watcher.onState(state(100));
    expect(tracker.get(id)).toMatchObject({ bytes: 100, bytes_wasted: 65 });
  });

  it('goes on from what an earlier run had, and counts only what is really gone as wasted', () => {
    const { tracker, id, files, tally: earlier } = tallied(100, 50);
    const [first, second] = files;
    if (!first || !second) throw new Error('two files');
    earlier.begin(first).onState(state(100));
    earlier.done();
    earlier.begin(second).onState(state(30, { wasted: 2 }));
    tracker.update(id, { status: 'paused' });
    tracker.update(id, { status: 'queued' });
    tracker.update(id, { status: 'starting' });

    const later = createTally(tracker, id, files);
    later.begin(first).onState(presentState(100));
    expect(tracker.get(id)).toMatchObject({ bytes: 130, bytes_wasted: 2, bytes_reused: 0 });
    later.done();
    const watcher = later.begin(second);
    watcher.onState(state(0, { phase: 'starting' }));
    expect(tracker.get(id).bytes).toBe(130);
    watcher.onState(state(25));
    expect(tracker.get(id)).toMatchObject({ bytes: 125, bytes_wasted: 7 });
    watcher.onState(state(50));
    expect(tracker.get(id)).toMatchObject({ bytes: 150, bytes_wasted: 7, bytes_reused: 0 });
  });
});
