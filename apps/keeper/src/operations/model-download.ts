import { type JobAccepted, type JobId, newJobId, type QueenOperation } from '@rbee/contract';
import { exitCodes, worstOf } from '../errors/exit-codes.ts';
import { toFailure } from '../errors/failure.ts';
import { KeeperError } from '../errors/keeper-error.ts';
import type { CommandDeps } from './command-deps.ts';
import { runJob } from './run-job.ts';
import { suggestingHives } from './suggest-hives.ts';

export interface DownloadRequest {
  /** Model refs that `parseModelRef` has read already. */
  readonly refs: readonly string[];
  /** Names of hives, `*` for all of them, or null to let the queen choose. */
  readonly hives: '*' | readonly string[] | null;
  /** What the one file must hash to. */
  readonly sha256: string | null;
  /** Globs of files to take and to leave. */
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** Bytes per second; null is unlimited. */
  readonly maxBandwidth?: number | null;
  /** Higher goes first. */
  readonly priority?: number;
  /** Leaves once the queen has taken the jobs. */
  readonly detach: boolean;
}

/**
 * Starts a job for each ref, side by side, and follows each to its end; returns the exit code of the worst.
 * The first interrupt cancels the jobs, says what was kept and returns 130.
 * @throws the signal's reason where that is a KeeperError: the daemons themselves are gone
 */
export async function modelDownload(deps: CommandDeps, request: DownloadRequest): Promise<number> {
  const codes = await Promise.all(request.refs.map((ref) => downloadOne(deps, request, ref)));
  return deps.signal.aborted && !request.detach ? exitCodes.interrupted : worstOf(codes);
}

async function downloadOne(deps: CommandDeps, request: DownloadRequest, model: string): Promise<number> {
  const jobId = newJobId();
  try {
    if (request.detach) {
      await start(deps, request, model, jobId);
      return exitCodes.done;
    }
    return await runJob(deps, {
      jobId,
      start: (signal) => start({ ...deps, signal }, request, model, jobId),
    });
  } catch (error) {
    if (deps.signal.reason instanceof KeeperError) throw deps.signal.reason;
    if (deps.signal.aborted) return exitCodes.interrupted;
    const failure = await toFailure(error);
    deps.emit({ event: 'failure', failure });
    return failure.exitCode;
  }
}

async function start(deps: CommandDeps, request: DownloadRequest, model: string, jobId: JobId): Promise<JobAccepted> {
  const { hives, maxBandwidth } = request;
  const body = operationOf(request, model, jobId);
  const named = hives === null || hives === '*' ? [] : hives;
  const data = await suggestingHives(deps, named, () => deps.client.startJob(body, deps.signal));
  deps.emit({ event: 'accepted', model, data, ...(maxBandwidth ? { max_bandwidth: maxBandwidth } : {}) });
  return data;
}

/**
 * The job's id is chosen here, so that an interrupt which overtakes the queen's answer still knows what to cancel.
 */
function operationOf(request: DownloadRequest, model: string, jobId: JobId): QueenOperation {
  const { hives, sha256, include, exclude, maxBandwidth, priority } = request;
  const [only, ...others] = hives === null || hives === '*' ? [] : hives;
  const hive = hives === '*' ? hives : others.length > 0 ? [...(hives ?? [])] : only;
  return {
    operation: 'model_download',
    model,
    job_id: jobId,
    ...(sha256 === null ? {} : { sha256 }),
    ...(include === undefined ? {} : { include: [...include] }),
    ...(exclude === undefined ? {} : { exclude: [...exclude] }),
    ...(maxBandwidth === undefined ? {} : { max_bandwidth: maxBandwidth }),
    ...(priority === undefined ? {} : { priority }),
    ...(hive === undefined ? {} : { hive_id: hive }),
  };
}
