import { integer, type Setting } from '../settings/setting.ts';
import { DEFAULT_JOB_RATE } from './job-rate.ts';

const MAX_JOB_RATE = 10_000;
const MAX_OPEN_JOBS = 10_000;
const DEFAULT_OPEN_JOBS = 1_000;

/** The settings that keep clients from flooding a daemon with jobs. */
export function jobSettings(prefix: string): { jobRate: Setting<number>; maxOpenJobs: Setting<number> } {
  return {
    jobRate: integer({
      env: `${prefix}JOB_RATE`,
      fallback: DEFAULT_JOB_RATE,
      min: 1,
      max: MAX_JOB_RATE,
      doc: 'new jobs per second and client, in bursts of up to 4 times as many; more get 429',
    }),
    maxOpenJobs: integer({
      env: `${prefix}MAX_OPEN_JOBS`,
      fallback: DEFAULT_OPEN_JOBS,
      min: 1,
      max: MAX_OPEN_JOBS,
      doc: 'maximum number of jobs that have not ended; more get 429',
    }),
  };
}
