import { RbeeError } from '@rbee/contract';
import type { TransferNotice, TransferState } from '@rbee/transfer';
import { describe, expect, it } from 'vitest';
import type { BlobWatcher } from '../../src/downloads/single-flight.ts';
import { TransferCounts } from '../../src/downloads/transfer-counts.ts';

const START: TransferState = {
  phase: 'downloading',
  bytes: 0,
  total: 1_000,
  reused: 0,
  wasted: 0,
  attempt: 1,
  connections: 1,
};

/** A transfer that the test controls, and the states that its own watcher got. */
function begin(counts: TransferCounts) {
  const told: (TransferState | TransferNotice)[] = [];
  const end = Promise.withResolvers<string>();
  let counted: BlobWatcher | undefined;
  const watcher: BlobWatcher = { onState: (state) => told.push(state), onNotice: (notice) => told.push(notice) };
  const done = counts.watch(watcher, (watched) => {
    counted = watched;
    return end.promise;
  });
  return {
    told,
    done,
    end,
    state: (change: Partial<TransferState>) => counted?.onState({ ...START, ...change }),
    notice: (notice: TransferNotice) => counted?.onNotice(notice),
  };
}

describe('the counts of transfers', () => {
  it('add up running and ended transfers, and pass every state on', async () => {
    const counts = new TransferCounts();
    const [first, second] = [begin(counts), begin(counts)];
    first.state({ bytes: 300, connections: 4 });
    second.state({ bytes: 500, reused: 200, connections: 2 });
    expect(counts.bytes).toEqual({ received: 600, reused: 200, wasted: 0 });
    expect(counts.connections).toBe(6);
    second.state({ bytes: 1_000, reused: 200, connections: 0 });
    second.end.resolve('a sha256');
    expect(await second.done).toBe('a sha256');
    expect(counts.bytes).toEqual({ received: 1_100, reused: 200, wasted: 0 });
    expect(counts.connections).toBe(4);
    expect(first.told).toEqual([{ ...START, bytes: 300, connections: 4 }]);
  });

  it('count discarded bytes that were on disk before as wasted, and never as received', async () => {
    const counts = new TransferCounts();
    const transfer = begin(counts);
    transfer.state({ bytes: 400, reused: 400 });
    transfer.state({ bytes: 450, reused: 400 });
    transfer.state({ bytes: 0, reused: 0, wasted: 450 });
    expect(counts.bytes).toEqual({ received: 50, reused: 400, wasted: 450 });
    transfer.state({ bytes: 1_000, reused: 0, wasted: 450 });
    transfer.end.resolve('');
    await transfer.done;
    expect(counts.bytes).toEqual({ received: 1_050, reused: 400, wasted: 450 });
  });

  it('count retries by error code, and stalls, throttles and failed digests separately', async () => {
    const counts = new TransferCounts();
    const transfer = begin(counts);
    transfer.notice({ code: 'RESUME', message: '' });
    transfer.notice({ code: 'STALL', message: '' });
    transfer.notice({ code: 'RETRY', message: '', reason: 'DOWNLOAD_TIMEOUT' });
    transfer.notice({ code: 'THROTTLE', message: '', reason: 'SOURCE_UNAVAILABLE' });
    transfer.notice({ code: 'RESTART', message: '', reason: 'CHECKSUM_MISMATCH' });
    transfer.end.reject(new RbeeError('CHECKSUM_MISMATCH', 'again'));
    await expect(transfer.done).rejects.toThrow('again');
    counts.countRetry('DOWNLOAD_TIMEOUT');
    expect([...counts.retries]).toEqual([
      ['DOWNLOAD_TIMEOUT', 2],
      ['SOURCE_UNAVAILABLE', 1],
      ['CHECKSUM_MISMATCH', 1],
    ]);
    expect(counts).toMatchObject({ stalls: 1, throttles: 1, verifyFailures: 2, connections: 0 });
  });
});
