import { setTimeout as delay } from 'node:timers/promises';
import type { DownloadEvent, JobAccepted, JobEnd } from '@rbee/contract';
import { followDownload, followJob } from '../daemon-client/follow-streams.ts';
import { unreachable } from '../daemon-client/unreachable.ts';
import { exitCodes, worstOf } from '../errors/exit-codes.ts';
import { toFailure } from '../errors/failure.ts';
import { KeeperError } from '../errors/keeper-error.ts';
import { untilAborted } from '../io.ts';
import { acceptedIds } from '../watch-event.ts';
import type { CommandDeps } from './command-deps.ts';
import { jobFailure } from './job-failure.ts';
import { exitCodeOf } from './watch.ts';

/** How long an interrupt waits for a start in progress if only the response says what to cancel. */
const START_GRACE_MS = 5_000;
/** With a known id, the queen itself waits for the start: the request for it only has to be there first. */
const KNOWN_START_GRACE_MS = 1_000;
/** A cancel waits for the hives to stop. Longer than the queen takes: it answers for hives that do not respond. */
const CANCEL_TIMEOUT_MS = 15_000;
/** A job and its downloads end together, but their last events may arrive this far apart. */
const END_GRACE_MS = 5_000;

export interface JobToRun {
  /** Null if the queen chooses it: then only its response says what an interrupt has to cancel. */
  readonly jobId: string | null;
  /** Starts it at the queen. */
  start(signal: AbortSignal): Promise<JobAccepted>;
}

/**
 * Starts a download job and follows it to the end, over its own stream and the streams of its downloads. Returns the exit code.
 * An interrupt cancels the job, emits the receipt and returns 130.
 */
export async function runJob(deps: CommandDeps, job: JobToRun): Promise<number> {
  // Requests and streams outlive the interrupt: the result of the cancel arrives over them.
  const leave = new AbortController();
  const within = (ms: number) => delay(ms, null, { signal: leave.signal });
  const started = job.start(leave.signal);
  const followed = started.then((accepted) => followToEnd({ ...deps, signal: leave.signal }, accepted));
  try {
    const code = await Promise.race([followed, untilAborted(deps.signal)]);
    if (code !== null) return code;
    // With the daemons gone there is nothing left to cancel.
    if (deps.signal.reason instanceof KeeperError) throw deps.signal.reason;
    const graceMs = job.jobId === null ? START_GRACE_MS : KNOWN_START_GRACE_MS;
    const response = await Promise.race([started.catch(() => 'refused' as const), within(graceMs)]);
    const accepted = response === 'refused' ? null : response;
    const jobId = job.jobId ?? accepted?.job_id ?? null;
    const ids = accepted === null ? [] : acceptedIds(accepted);
    const result = jobId === null ? 'unknown' : await cancel(deps, jobId, ids);
    if (result === 'ends') await Promise.race([followed.catch(() => null), within(END_GRACE_MS)]);
    if (result === 'unknown') {
      if (response === 'refused') await started.catch((error) => emitFailure(deps, error));
      else await emitUnknown(deps);
    }
    return exitCodes.interrupted;
  } finally {
    leave.abort();
    await followed.catch(() => null);
  }
}

async function emitFailure(deps: CommandDeps, error: unknown): Promise<void> {
  deps.emit({ event: 'failure', failure: await toFailure(error) });
}

/** Without a response to the start, nobody knows whether there is a job to cancel. */
async function emitUnknown(deps: CommandDeps): Promise<void> {
  const failure = await toFailure(unreachable({ daemon: 'queen', url: deps.client.url }, 'no response to the start'));
  const hint = 'the download may have started: check "rbee-keeper download list"';
  deps.emit({ event: 'failure', failure: { ...failure, hint } });
}

/** Cancels the job: `ends` when the ends of all its downloads will arrive over their streams, `unknown` for no such job. */
async function cancel(
  deps: CommandDeps,
  jobId: string,
  downloadIds: readonly string[],
): Promise<'ends' | 'continues' | 'unknown'> {
  const limit = new AbortController();
  const tooLate = unreachable({ daemon: 'queen', url: deps.client.url }, 'no response to the cancel');
  const timer = setTimeout(() => limit.abort(tooLate), CANCEL_TIMEOUT_MS);
  try {
    const data = await deps.client.cancelJob(jobId, 'keep', limit.signal);
    // The receipt leaves out the downloads that other jobs wait for: their ends may be hours away.
    const stopped = new Set<string>(data.downloads.map(({ download_id: id }) => id));
    const continuing = data.status === 'cancelled' ? downloadIds.filter((id) => !stopped.has(id)) : [];
    deps.emit({ event: 'receipt', data, ...(continuing.length === 0 ? {} : { continuing }) });
    return continuing.length === 0 ? 'ends' : 'continues';
  } catch (error) {
    const failure = await toFailure(error);
    // The queen has not heard of the job, or no hive accepted it.
    if (failure.code === 'JOB_NOT_FOUND') return 'unknown';
    deps.emit({
      event: 'failure',
      failure: {
        ...failure,
        message: `could not cancel job ${jobId}: ${failure.message}`,
        hint: `it may continue; try again with "rbee-keeper job cancel ${jobId}"`,
      },
    });
    return 'continues';
  } finally {
    clearTimeout(timer);
  }
}

interface Ends {
  job: JobEnd | null;
  readonly downloads: Map<string, DownloadEvent>;
}

async function followToEnd(deps: CommandDeps, accepted: JobAccepted): Promise<number> {
  const ends: Ends = { job: null, downloads: new Map() };
  const ids = acceptedIds(accepted);
  const leave = new AbortController();
  const streams: CommandDeps = { ...deps, signal: AbortSignal.any([deps.signal, leave.signal]) };
  const job = followJob(streams, accepted.job_id).then((end) => {
    ends.job = end;
    deps.emit({ event: 'end', data: { job_id: accepted.job_id, ...end } });
  });
  const downloads = ids.map(async (id) => void ends.downloads.set(id, await followDownload(streams, id)));
  try {
    await (ids.length === 0 ? job : Promise.race([job, Promise.all(downloads)]));
    await Promise.race([Promise.all([job, ...downloads]), delay(END_GRACE_MS, null, { signal: streams.signal })]);
  } finally {
    leave.abort();
    await Promise.allSettled([job, ...downloads]);
  }
  return resultOf(deps, accepted.job_id, ids, ends);
}

/** The ends of the downloads count; the job's end stands in for a download without one. */
async function resultOf(deps: CommandDeps, jobId: string, ids: readonly string[], ends: Ends): Promise<number> {
  const codes = [...ends.downloads.values()].map(exitCodeOf);
  if (ends.downloads.size === ids.length && ids.length > 0) return worstOf(codes);
  if (ends.job === null || ends.job.state === 'completed') return worstOf(codes);
  const failure = await jobFailure(deps, jobId, ends.job);
  deps.emit({ event: 'failure', failure });
  return worstOf([...codes, failure.exitCode]);
}
