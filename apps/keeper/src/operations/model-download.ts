import {
  type JobAccepted,
  type JobId,
  newJobId,
  parseModelRef,
  type QueenOperation,
  type WantedModel,
  wantedModel,
} from '@rbee/contract';
import { exitCodes, worstOf } from '../errors/exit-codes.ts';
import { toFailure } from '../errors/failure.ts';
import { KeeperError } from '../errors/keeper-error.ts';
import type { CommandDeps } from './command-deps.ts';
import { runJob } from './run-job.ts';
import { suggestingHives } from './suggest-hives.ts';

/** The glob of the vision parts of models. */
const PROJECTORS = '*mmproj*';

/** Each opens two streams. */
const MAX_AT_ONCE = 100;

export interface DownloadRequest {
  /** Model refs that `parseModelRef` has accepted. */
  readonly refs: readonly string[];
  /** Hive names, `*` for all hives, or null to let the queen choose. */
  readonly hives: '*' | readonly string[] | null;
  /** The expected digest of the only file. */
  readonly sha256: string | null;
  /** Globs of files to download and to skip. */
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** Leaves out the projector of a vision model. */
  readonly noProjector?: boolean;
  /** Bytes per second; null is unlimited. */
  readonly maxBandwidth?: number | null;
  /** Higher starts first. */
  readonly priority?: number;
  /** Returns as soon as the queen has accepted the jobs. */
  readonly detach: boolean;
}

/**
 * Starts a job for each ref, up to 100 in parallel, and follows each to its end. Returns the worst exit code. The first interrupt
 * cancels the jobs and returns 130.
 * @throws the signal's reason if it is a KeeperError: the daemons themselves are gone
 */
export async function modelDownload(deps: CommandDeps, request: DownloadRequest): Promise<number> {
  const codes: number[] = [];
  const queue = request.refs.values();
  const work = async () => {
    for (const ref of queue) {
      if (deps.signal.aborted) return;
      codes.push(await downloadOne(deps, request, ref));
    }
  };
  await Promise.all(Array.from({ length: Math.min(MAX_AT_ONCE, request.refs.length) }, work));
  return deps.signal.aborted && !request.detach ? exitCodes.interrupted : worstOf(codes);
}

/** What a download of a ref wants, with the globs of the command. @throws RbeeError MODEL_REF_INVALID, REQUEST_INVALID */
export function wantedBy(
  request: Pick<DownloadRequest, 'include' | 'exclude' | 'noProjector'>,
  ref: string,
): WantedModel {
  const { include = [] } = request;
  return wantedModel({ model: ref, include: [...include], exclude: [...excludeOf(request, ref)] });
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

/** The keeper chooses the job's id, so that an interrupt before the queen's response knows what to cancel. */
function operationOf(request: DownloadRequest, model: string, jobId: JobId): QueenOperation {
  const { hives, sha256, include, maxBandwidth, priority } = request;
  const exclude = excludeOf(request, model);
  const [only, ...others] = hives === null || hives === '*' ? [] : hives;
  const hive = hives === '*' ? hives : others.length > 0 ? [...(hives ?? [])] : only;
  return {
    operation: 'model_download',
    model,
    job_id: jobId,
    ...(sha256 === null ? {} : { sha256 }),
    ...(include === undefined ? {} : { include: [...include] }),
    ...(exclude.length === 0 ? {} : { exclude: [...exclude] }),
    ...(maxBandwidth === undefined ? {} : { max_bandwidth: maxBandwidth }),
    ...(priority === undefined ? {} : { priority }),
    ...(hive === undefined ? {} : { hive_id: hive }),
  };
}

/** A ref that names files, and one of another source, brings no projector. */
function excludeOf(
  { exclude = [], noProjector = false }: Pick<DownloadRequest, 'exclude' | 'noProjector'>,
  model: string,
): readonly string[] {
  if (!noProjector) return exclude;
  const ref = parseModelRef(model);
  return ref.scheme === 'hf' && ref.files.length === 0 ? [...exclude, PROJECTORS] : exclude;
}
