import { once } from 'node:events';
import { newDownloadId } from '@rbee/contract';
import { createStreamHub } from '@rbee/event-stream';
import { type Job, JobRegistry, narrate, withListener } from '@rbee/jobs';
import { createManualClock } from '@rbee/testing';
import { createLimiter } from '@rbee/transfer';
import { beforeEach, describe, expect, it } from 'vitest';
import { Download, isPause } from '../../src/downloads/download.ts';

// Goal: a download lives exactly as long as a job wants it. Method: real jobs of a real registry; the work only waits for
// its signal, so if there were a second token anywhere it would hang.

let registry: JobRegistry;
let download: Download;
beforeEach(() => {
  registry = new JobRegistry({
    streamHub: createStreamHub(),
    clock: createManualClock(),
    actor: 'hive-a',
    onBug: () => {},
  });
  download = new Download(newDownloadId(), createLimiter(null));
});

function wantedBy(): Job {
  const job = registry.create({ operation: 'model_download', model: 'hf:org/model' });
  download.join(job);
  registry.run(job, () => download.wait(job));
  return job;
}

function begin(): void {
  download.start(() =>
    withListener(download, async () => {
      await once(download.signal, 'abort');
      narrate('download_cancelled', 'cancelled');
      throw download.signal.reason;
    }),
  );
}

describe('a download', () => {
  it('stops when its only job is cancelled, with that job’s reason', async () => {
    begin();
    const job = wantedBy();
    await registry.cancel(job.id, 'discard');
    expect(download.signal.reason).toMatchObject({ partial: 'discard' });
    expect(job.state).toBe('cancelled');
  });

  it('continues while another job wants it, and stops with the last', async () => {
    begin();
    const [first, second] = [wantedBy(), wantedBy()];
    await registry.cancel(first.id, 'keep');
    expect(first.state).toBe('cancelled');
    expect(download.signal.aborted).toBe(false);
    await registry.cancel(second.id, 'keep');
    expect(download.signal.aborted).toBe(true);
    expect(second.state).toBe('cancelled');
  });

  it('narrates to every job that still wants it, to the end', async () => {
    begin();
    const [first, second] = [wantedBy(), wantedBy()];
    download.onLine({ action: 'a', human: 'to both', level: 'info' });
    await registry.cancel(first.id, 'keep');
    download.onLine({ action: 'a', human: 'to the second', level: 'info' });
    await registry.cancel(second.id, 'keep');
    // Each line is an event, and so is the end.
    expect(first.channel.lastId).toMatch(/\.2$/);
    expect(second.channel.lastId).toMatch(/\.4$/);
  });

  it('ends all its jobs the way it ends itself', async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    download.start(() => promise);
    const jobs = [wantedBy(), wantedBy()];
    reject(new Error('broken'));
    await Promise.all(jobs.map((job) => job.settled));
    expect(jobs.map((job) => job.state)).toEqual(['failed', 'failed']);
  });

  it('that is paused stops only its run, and can be resumed again and again', async () => {
    begin();
    const job = wantedBy();
    for (let times = 0; times < 3; times += 1) {
      const run = download.runSignal;
      download.pause();
      expect(run.aborted).toBe(true);
      expect(isPause(run.reason)).toBe(true);
      expect(download.signal.aborted).toBe(false);
      const resumed = download.untilResumed();
      download.resume();
      await resumed;
      expect(download.runSignal.aborted).toBe(false);
    }
    await registry.cancel(job.id, 'keep');
    expect(isPause(download.runSignal.reason)).toBe(false);
  });

  it('that is paused can be cancelled', async () => {
    begin();
    const job = wantedBy();
    download.pause();
    const waiting = download.untilResumed();
    const cancelled = registry.cancel(job.id, 'keep');
    await expect(waiting).rejects.toMatchObject({ partial: 'keep' });
    await cancelled;
  });
});
