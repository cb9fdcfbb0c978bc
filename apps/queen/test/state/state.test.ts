import { join } from 'node:path';
import { type Job, newDownloadId, newJobId } from '@rbee/contract';
import { openStateDb, StateWriter } from '@rbee/daemon';
import { createManualClock, type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeptRoute } from '../../src/state/saved-rows.ts';
import { createQueenState, type QueenState, STATE_MIGRATIONS } from '../../src/state/state.ts';

let folder: TempDir;
let badRows: string[];
beforeEach(async () => {
  badRows = [];
  folder = await tempDir();
});
afterEach(() => folder.remove());

/** Does something in one life of the state. */
function inOneLife<T>(work: (state: QueenState) => T): T {
  const path = join(folder.path, 'made', 'when', 'needed', 'queen.sqlite');
  const onDamage = () => {
    throw new Error('the state is damaged');
  };
  const db = openStateDb(path, { migrations: STATE_MIGRATIONS, onDamage });
  const log = { info: () => {}, error: () => {} };
  const writer = new StateWriter(db, { clock: createManualClock(), log, what: 'the state' });
  const state = createQueenState({ db, writer, onBadRow: (row) => badRows.push(row) });
  try {
    return work(state);
  } finally {
    state.close();
  }
}

const route: KeptRoute = {
  request: '[["operation","model_list"]]',
  many: true,
  why: 'on every hive',
  legs: [
    { hive_id: 'hive-a', refusal: null },
    { hive_id: 'hive-b', refusal: { code: 'DISK_FULL', message: 'full' } },
  ],
};

function jobSnapshot(): Job {
  const job_id = newJobId();
  return {
    job_id,
    operation: 'model_list',
    state: 'running',
    model: null,
    sse_url: `/v1/jobs/${job_id}/stream`,
    created_at: '2026-01-01T00:00:00.000Z',
    ended_at: null,
    downloads: [],
    error: null,
  };
}

describe('the state of a queen', () => {
  it('has the hives after a restart, at their newest address', () => {
    inOneLife((state) => {
      state.keepHive({ hive_id: 'hive-b', hive_url: 'http://b', last_seen_ms: null });
      state.keepHive({ hive_id: 'hive-a', hive_url: 'http://a', last_seen_ms: 1 });
      state.keepHive({ hive_id: 'hive-b', hive_url: 'http://b2', last_seen_ms: 2 });
      state.keepHive({ hive_id: 'hive-c', hive_url: 'http://c', last_seen_ms: 2 });
      state.forgetHive('hive-c');
    });
    expect(inOneLife((state) => state.hives())).toEqual([
      { hive_id: 'hive-b', hive_url: 'http://b2', last_seen_ms: 2 },
      { hive_id: 'hive-a', hive_url: 'http://a', last_seen_ms: 1 },
    ]);
  });

  it('keeps jobs with their routes, and forgets them together', () => {
    const [first, second] = [jobSnapshot(), jobSnapshot()];
    inOneLife((state) => {
      state.saveJob(first);
      state.keepRoute(first.job_id, route);
      // A later word on the job does not take its route away.
      state.saveJob({ ...first, state: 'completed', ended_at: first.created_at });
      state.saveJob(second);
    });
    const kept = inOneLife((state) => state.jobs());
    expect(kept.find(({ snapshot }) => snapshot.job_id === first.job_id)).toEqual({
      snapshot: { ...first, state: 'completed', ended_at: first.created_at },
      route,
    });
    expect(kept.find(({ snapshot }) => snapshot.job_id === second.job_id)?.route).toBeNull();
    inOneLife((state) => state.deleteJob(first.job_id));
    expect(inOneLife((state) => state.jobs())).toHaveLength(1);
  });

  it('knows where downloads are, and which of them have not ended', () => {
    const [running, ended] = [newDownloadId(1), newDownloadId(2)];
    inOneLife((state) => {
      state.place(running, 'hive-a');
      state.place(ended, 'hive-a');
      state.endPlacement(ended);
      // Opened once more for a late reader: it has ended anyway.
      state.place(ended, 'hive-a');
    });
    inOneLife((state) => {
      expect(state.placements()).toEqual([{ download_id: running, hive_id: 'hive-a' }]);
      expect([state.hiveOf(running), state.hiveOf(ended), state.hiveOf(newDownloadId())]).toEqual([
        'hive-a',
        'hive-a',
        null,
      ]);
    });
  });

  it('keeps limits and undelivered cancels', () => {
    const job_id = newJobId();
    const limits = { wanted: { max_bandwidth: null }, own: 5, given: [7, null] };
    inOneLife((state) => {
      state.keepLimits('hive-a', limits);
      state.keepLimits('hive-b', limits);
      state.forgetLimits('hive-b');
      state.keepCancel({ id: job_id, hive_id: 'hive-a', partial: 'discard' });
      state.keepCancel({ id: job_id, hive_id: 'hive-b', partial: 'keep' });
      state.forgetCancel({ id: job_id, hive_id: 'hive-b' });
    });
    inOneLife((state) => {
      expect([...state.limits()]).toEqual([['hive-a', limits]]);
      expect(state.cancels()).toEqual([{ id: job_id, hive_id: 'hive-a', partial: 'discard' }]);
    });
  });
});
