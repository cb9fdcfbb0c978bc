import { type JobId, newJobId, RbeeError } from '@rbee/contract';
import { beforeEach, describe, expect, it } from 'vitest';
import { UndeliveredCancels } from '../../src/jobs/undelivered-cancels.ts';
import type { KeptCancel } from '../../src/state/saved-rows.ts';
import { fleetOf, hiveNamed } from '../support/fake-hive.ts';

// Goal: cancels that wait for their hives are bounded, and a hive that is back gets them one after the other. Method: a
// hive with scripted responses, and a state that is a list.

const LIMIT = 1_000;

let kept: KeptCancel[];
let told: JobId[];
/** How many more cancels the hive takes before it is silent. */
let room: number;
let atOnce: number;
let mostAtOnce: number;
let warnings: string[];

beforeEach(() => {
  kept = [];
  told = [];
  room = Number.POSITIVE_INFINITY;
  atOnce = 0;
  mostAtOnce = 0;
  warnings = [];
});

function create(): UndeliveredCancels {
  return new UndeliveredCancels({
    fleet: fleetOf(hiveNamed('hive-a'), hiveNamed('hive-b')),
    client: {
      identify: async (url) => new URL(url).hostname,
      getDownload: () => Promise.reject(new Error('not asked')),
      getJob: () => Promise.reject(new Error('not asked')),
      cancelDownload: () => Promise.reject(new Error('not asked')),
      async cancelJob(_hive, job_id) {
        atOnce += 1;
        mostAtOnce = Math.max(mostAtOnce, atOnce);
        await Promise.resolve();
        atOnce -= 1;
        if (told.length >= room) throw new RbeeError('HIVE_UNAVAILABLE', 'silent');
        told.push(job_id);
        return { job_id, status: 'cancelled', downloads: [] };
      },
    },
    state: {
      cancels: () => [...kept],
      keepCancel: (cancel) => void kept.push(cancel),
      forgetCancel({ id }) {
        kept = kept.filter((cancel) => cancel.id !== id);
      },
    },
    log: { info: () => {}, warn: (_, message) => warnings.push(message) },
  });
}

const cancelOf = (hive_id: string): KeptCancel => ({ id: newJobId(), hive_id, partial: 'keep' });

describe('cancels that could not be delivered', () => {
  it('are bounded in number, including cancels of a previous run: the oldest are dropped and logged', () => {
    const cancels = Array.from({ length: LIMIT + 2 }, () => cancelOf('hive-a'));
    kept = cancels.slice(0, LIMIT + 1);
    const undeliveredCancels = create();
    expect(kept).toEqual(cancels.slice(1, LIMIT + 1));
    for (const cancel of cancels.slice(LIMIT + 1)) undeliveredCancels.add(cancel);
    expect(kept).toEqual(cancels.slice(2));
    expect(cancels.map(({ id }) => undeliveredCancels.has(id, 'hive-a')).filter(Boolean)).toHaveLength(LIMIT);
    expect(warnings).toHaveLength(2);
  });

  it('are delivered one after the other until the hive is silent again; heartbeats meanwhile start nothing', async () => {
    const undeliveredCancels = create();
    const cancels = Array.from({ length: 10 }, () => cancelOf('hive-a'));
    for (const cancel of [...cancels, cancelOf('hive-b')]) undeliveredCancels.add(cancel);
    room = 4;
    await Promise.all([undeliveredCancels.deliverAll('hive-a'), undeliveredCancels.deliverAll('hive-a')]);
    expect(told).toEqual(cancels.slice(0, 4).map(({ id }) => id));
    expect(warnings).toHaveLength(1);
    room = Number.POSITIVE_INFINITY;
    await undeliveredCancels.deliverAll('hive-a');
    expect(told).toEqual(cancels.map(({ id }) => id));
    expect([mostAtOnce, kept.length]).toEqual([1, 1]);
  });
});
