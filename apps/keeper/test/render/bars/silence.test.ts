import { newDownloadId, newJobId } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import { barLine } from '../../../src/render/bars/bar-line.ts';
import { barSubjects } from '../../../src/render/bars/bar-subjects.ts';
import { createDownloadViews } from '../../../src/render/download-view.ts';

// Goal: a bar claims no speed that nobody has confirmed, and no download that has ended. Method: events and a clock by hand.

const [first, second] = [newDownloadId(1), newDownloadId(2)];

function progress(download_id: typeof first, more: { speed_bps?: number; status?: 'downloading' | 'paused' } = {}) {
  return {
    event: 'progress' as const,
    data: {
      download_id,
      job_id: newJobId(),
      hive_id: 'hive-a',
      model_ref: 'hf:org/repo::file=x.gguf',
      status: 'downloading' as const,
      bytes: 500,
      total: 1_000,
      percent: 50,
      speed_bps: 14_600_000,
      eta_secs: 27,
      elapsed_secs: 1,
      files_done: 0,
      files_total: 1,
      file: 'x.gguf',
      attempt: 1,
      connections: 1,
      bytes_reused: 0,
      bytes_wasted: 0,
      ...more,
    },
  };
}

function watch() {
  let now = 1_000_000;
  const views = createDownloadViews({ now: () => now });
  const lines = () =>
    barSubjects(views, 10, now).map((subject) => barLine(subject, { width: 120, nameWidth: 20, now }));
  return { views, lines, pass: (ms: number) => (now += ms) };
}

describe('a running download without news', () => {
  it('[K11] keeps its speed and its time for less than 5 s', () => {
    const { views, lines, pass } = watch();
    views.apply(progress(first));
    pass(4_999);
    expect(lines()[0]).toMatch(/14\.6 MB\/s +27s/);
  });

  it('[K11] has neither after 5 s, and says for how long', () => {
    const { views, lines, pass } = watch();
    views.apply(progress(first));
    pass(7_500);
    expect(lines()[0]).toContain('no news for 7s');
    expect(lines()[0]).not.toMatch(/MB\/s|27s/);
    views.apply(progress(first, { speed_bps: 2_000_000 }));
    expect(lines()[0]).toContain('2.0 MB/s');
  });

  it('[K11] does not count towards the speed of all, which says it when it is true of all', () => {
    const { views, lines, pass } = watch();
    views.apply(progress(first));
    pass(6_000);
    views.apply(progress(second, { speed_bps: 3_000_000 }));
    expect(lines().at(-1)).toMatch(/^total.* 3\.0 MB\/s/);
    pass(5_000);
    expect(lines().at(-1)).toMatch(/^total.*no news for 5s/);
  });

  it('[K11] is lost where its hive is, which says more', () => {
    const { views, lines, pass } = watch();
    views.apply(progress(first));
    views.apply({ event: 'notice', data: { download_id: first, code: 'HIVE_LOST', message: 'lost' } });
    pass(60_000);
    expect(lines()[0]).toContain('hive unreachable');
  });

  it('[K11] is not one that is paused', () => {
    const { views, lines, pass } = watch();
    views.apply(progress(first, { status: 'paused' }));
    pass(60_000);
    expect(lines()[0]).toContain('paused');
  });
});

describe('a download that ended while the connection was lost', () => {
  const connection = (state: 'lost' | 'open') =>
    ({ event: 'connection', data: { state, id: 'fleet', reason: null, attempt: 1 } }) as const;

  it('[K11] is dropped at the end of the snapshot', () => {
    const { views } = watch();
    views.apply(progress(first));
    views.apply(progress(second));
    expect(views.dropUnseen()).toEqual([]);
    views.apply(connection('lost'));
    views.apply(connection('open'));
    views.apply(progress(second));
    expect(views.dropUnseen().map(({ view }) => view.id)).toEqual([first]);
    expect(views.all.map(({ id }) => id)).toEqual([second]);
  });

  it('[K11] is dropped if it ended before the first snapshot', () => {
    const { views } = watch();
    views.apply({ event: 'limit', data: { download_id: first, max_bandwidth: 5 } });
    views.apply(progress(second));
    expect(views.dropUnseen().map(({ view }) => view.id)).toEqual([first]);
  });
});
