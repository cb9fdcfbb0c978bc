import { type JobEnd, newJobId, type QueenOperation } from '@rbee/contract';
import { unexpected } from '../daemon-client/exchange.ts';
import { followJob } from '../daemon-client/follow-streams.ts';
import type { Failure } from '../errors/failure.ts';
import type { OfHive } from '../results.ts';
import type { CommandDeps } from './command-deps.ts';
import { jobFailure } from './job-failure.ts';
import { suggestingHives } from './suggest-hives.ts';

/** Longer than the queen takes: it answers for hives that do not respond. */
const CANCEL_TIMEOUT_MS = 10_000;

/** The result of each hive, and why a hive did not perform the operation; null if all did. */
export interface OperationResult<T> {
  readonly results: readonly (OfHive & T)[];
  readonly failure: Failure | null;
}

interface Schema<T> {
  safeParse(input: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
}

export interface OperationOptions {
  /** A hive name; undefined lets the queen choose. */
  readonly hive?: string | undefined;
  /** Called with each narration line. */
  onNarration?(text: string): void;
}

/**
 * Runs an operation with a data result as a job, and returns the result of each hive. An interrupt cancels the job.
 * @throws RbeeError or KeeperError if the queen rejects it; the signal's reason on abort
 */
export async function runOperation<T extends object>(
  deps: CommandDeps,
  operation: QueenOperation,
  schema: Schema<T>,
  { hive, onNarration }: OperationOptions = {},
): Promise<OperationResult<T>> {
  const { client, signal } = deps;
  const results: (OfHive & T)[] = [];
  const jobId = newJobId();
  const body: QueenOperation = { ...operation, job_id: jobId, ...(hive === undefined ? {} : { hive_id: hive }) };
  try {
    await suggestingHives(deps, hive === undefined ? [] : [hive], () => client.startJob(body, signal));
    const end: JobEnd = await followJob(
      {
        client,
        signal,
        emit(event) {
          if (event.event === 'narration') onNarration?.(event.data.human);
          if (event.event !== 'data' || event.data.action !== operation.operation) return;
          const { payload } = event.data;
          const parsed = schema.safeParse(payload);
          if (!parsed.success) {
            throw unexpected({ daemon: 'queen', url: client.url }, `invalid result of ${operation.operation}`);
          }
          results.push({ hive_id: String(payload.hive_id ?? ''), ...parsed.data });
        },
      },
      jobId,
    );
    return { results, failure: end.state === 'completed' ? null : await jobFailure(deps, jobId, end) };
  } catch (error) {
    if (signal.aborted) await client.cancelJob(jobId, 'keep', AbortSignal.timeout(CANCEL_TIMEOUT_MS)).catch(() => {});
    throw error;
  }
}
