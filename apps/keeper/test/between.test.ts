import { RbeeError } from '@rbee/contract';
import { afterEach, describe, expect, it } from 'vitest';
import { createSchedule, isInside, parseTimeWindow } from '../src/operations/pull/between.ts';
import type { WatchEvent } from '../src/watch-event.ts';

const zone = process.env.TZ;
afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

describe('the window of --between', () => {
  it.each([
    ['02:00-07:00', '01:59', false],
    ['02:00-07:00', '02:00', true],
    ['02:00-07:00', '06:59', true],
    ['02:00-07:00', '07:00', false],
    ['22:30-06:00', '22:29', false],
    ['22:30-06:00', '22:30', true],
    ['22:30-06:00', '00:00', true],
    ['22:30-06:00', '06:00', false],
    ['2:00-24:00', '23:59', true],
    ['2:00-24:00', '00:00', false],
  ])('%s at %s: %s', (text, time, inside) => {
    expect(isInside(parseTimeWindow(text), new Date(`2026-03-01T${time}:30`))).toBe(inside);
  });

  it('is one of the wall clock, also when that is changed', () => {
    process.env.TZ = 'Europe/Berlin';
    const window = parseTimeWindow('03:00-04:00');
    // In the night of 2026-03-29, 02:00 becomes 03:00; in that of 2026-10-25, 03:00 becomes 02:00 again.
    expect(isInside(window, new Date('2026-03-29T00:59:00Z'))).toBe(false);
    expect(isInside(window, new Date('2026-03-29T01:00:00Z'))).toBe(true);
    expect(isInside(window, new Date('2026-10-25T01:30:00Z'))).toBe(false);
    expect(isInside(window, new Date('2026-10-25T02:00:00Z'))).toBe(true);
  });

  it.each([
    '',
    '02:00',
    '02:00-',
    '2-7',
    '24:00-01:00',
    '02:60-07:00',
    '02:00-02:00',
    '00:00-24:00',
    '-1:00-02:00',
    'a',
  ])('refuses "%s"', (text) => expect(() => parseTimeWindow(text)).toThrow(expect.objectContaining({ code: 'USAGE' })));
});

describe('the schedule of --between', () => {
  function start(at: string) {
    const said: string[] = [];
    const calls: string[] = [];
    let now = new Date(at).getTime();
    let look = () => {};
    const refuses = new Set<string>();
    const call = (verb: string) => async (id: string) => {
      calls.push(`${verb} ${id}`);
      if (refuses.has(verb)) throw new RbeeError('STATUS_CONFLICT', 'no');
    };
    const client = { pauseDownload: call('pause'), resumeDownload: call('resume') };
    const schedule = createSchedule(parseTimeWindow('02:00-07:00'), {
      client: client as never,
      signal: new AbortController().signal,
      now: () => now,
      note: (text) => said.push(text),
      setTimer: (_, callback) => {
        look = callback;
        return () => {};
      },
    });
    return {
      ...{ schedule, said, calls, refuses },
      async at(time: string) {
        now = new Date(time).getTime();
        look();
        await new Promise(setImmediate);
      },
      async on(event: unknown) {
        schedule.onEvent(event as WatchEvent);
        await new Promise(setImmediate);
      },
    };
  }
  const accepted = { event: 'accepted', model: 'm', data: { job_id: 'j', download_id: 'd', sse_url: '' } };
  const downloading = { event: 'progress', data: { download_id: 'd', status: 'downloading' } };

  it('pauses what starts outside, resumes it inside, and pauses it again', async () => {
    const run = start('2026-03-01T22:00');
    await run.on(accepted);
    await run.at('2026-03-01T23:00');
    await run.at('2026-03-02T02:00');
    await run.on(downloading);
    await run.at('2026-03-02T07:00');
    expect(run.calls).toEqual(['pause d', 'resume d', 'pause d']);
    expect(run.said).toEqual(['paused until 02:00', 'downloading until 07:00', 'paused until 02:00']);
  });

  it('tries again where a download could not be paused yet', async () => {
    const run = start('2026-03-01T22:00');
    run.refuses.add('pause');
    await run.on(accepted);
    run.refuses.clear();
    await run.on(downloading);
    await run.on(downloading);
    expect(run.calls).toEqual(['pause d', 'pause d']);
  });

  it('says and does nothing inside, and nothing for what has ended', async () => {
    const run = start('2026-03-02T03:00');
    await run.on(accepted);
    await run.on(downloading);
    await run.on({ event: 'complete', data: { download_id: 'd' } });
    await run.at('2026-03-02T08:00');
    expect(run.calls).toEqual([]);
    expect(run.said).toEqual(['paused until 02:00']);
  });

  it('leaves a download alone that somebody resumes meanwhile', async () => {
    const run = start('2026-03-01T22:00');
    await run.on(accepted);
    await run.on(downloading);
    await run.at('2026-03-01T22:01');
    expect(run.calls).toEqual(['pause d']);
  });
});
