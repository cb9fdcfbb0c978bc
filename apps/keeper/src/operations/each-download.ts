import { type DownloadStatus, RbeeError } from '@rbee/contract';
import { resolveDownloadId } from '../daemon-client/resolve-id.ts';
import { type Failure, toFailure } from '../errors/failure.ts';
import { usageError } from '../errors/keeper-error.ts';
import type { CommandDeps } from './command-deps.ts';
import { downloadsWith } from './lists.ts';

/** How many downloads are changed at the same time. */
const CONCURRENCY = 8;

export interface ChosenDownloads {
  /** Ids or their beginnings. */
  readonly texts: readonly string[];
  /** Every download of these statuses, in place of ids; null if ids are given. */
  readonly all: readonly DownloadStatus[] | null;
}

/** The downloads that a command line chooses. @throws KeeperError USAGE if it names none, or both ids and all of them */
export function chosenDownloads(
  texts: readonly string[],
  isAll: boolean,
  statuses: readonly DownloadStatus[],
): ChosenDownloads {
  if (isAll && texts.length > 0) throw usageError('give ids or --all, not both');
  if (!isAll && texts.length === 0) {
    throw usageError('no download is given', 'name downloads by their ids ("rbee-keeper download list"), or use --all');
  }
  return { texts, all: isAll ? statuses : null };
}

export interface EachResult<T> {
  readonly results: readonly T[];
  readonly failures: readonly Failure[];
}

/**
 * Does something to each chosen download. One that fails does not stop the others. `onResult` and `onFailure` are called in
 * the order of the command line.
 * @throws the signal's reason
 */
export async function forEachDownload<T>(
  deps: CommandDeps,
  chosen: ChosenDownloads,
  act: (id: string) => Promise<T>,
  report: { onResult(result: T): void; onFailure(failure: Failure): void },
): Promise<EachResult<T>> {
  const texts = await chosenTexts(deps, chosen);
  const results: T[] = [];
  const failures: Failure[] = [];
  for (let from = 0; from < texts.length; from += CONCURRENCY) {
    const batch = texts.slice(from, from + CONCURRENCY).map((text) => attempt(deps, text, act));
    for (const outcome of await Promise.all(batch)) {
      if ('failure' in outcome) {
        failures.push(outcome.failure);
        report.onFailure(outcome.failure);
      } else {
        results.push(outcome.result);
        report.onResult(outcome.result);
      }
    }
  }
  return { results, failures };
}

async function chosenTexts(deps: CommandDeps, { texts, all }: ChosenDownloads): Promise<readonly string[]> {
  if (all === null) return [...new Set(texts)];
  return (await downloadsWith(deps, all)).map(({ download_id: id }) => id);
}

async function attempt<T>(
  deps: CommandDeps,
  text: string,
  act: (id: string) => Promise<T>,
): Promise<{ readonly result: T } | { readonly failure: Failure }> {
  try {
    return { result: await act(await resolveDownloadId(deps.client, text, deps.signal)) };
  } catch (error) {
    deps.signal.throwIfAborted();
    return { failure: await toFailure(error) };
  }
}

/** The error of a change that the status does not allow; null for any other error. */
export function conflictIn(error: unknown): RbeeError | null {
  return error instanceof RbeeError && error.code === 'STATUS_CONFLICT' ? error : null;
}
