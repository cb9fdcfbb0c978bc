import { RbeeError } from '@rbee/contract';
import { didYouMean } from '../did-you-mean.ts';
import { usageError } from '../errors/keeper-error.ts';
import type { ListClient } from './list-client.ts';

const UUID_DIGITS = /^[0-9a-f][0-9a-f-]*$/;
const KINDS = {
  download: { prefix: 'dl-', notFound: 'DOWNLOAD_NOT_FOUND', list: 'rbee-keeper download list', length: 36 },
  job: { prefix: 'job-', notFound: 'JOB_NOT_FOUND', list: 'rbee-keeper job list', length: 36 },
  model: { prefix: 'm-', notFound: 'MODEL_NOT_FOUND', list: 'rbee-keeper model list', length: 12 },
} as const;

export type IdKind = keyof typeof KINDS;

const MAX_CANDIDATES_SHOWN = 10;

/**
 * Resolves an id or the beginning of exactly one, with or without `dl-`, `job-` or `m-`, to the full id. `list` is
 * called only for a beginning.
 * @throws KeeperError USAGE if the text is not an id or matches several; RbeeError if it matches none
 */
export async function resolveId(kind: IdKind, text: string, list: () => Promise<readonly string[]>): Promise<string> {
  const { prefix, notFound, list: listCommand, length } = KINDS[kind];
  const wanted = beginningOf(kind, text);
  if (wanted.length === prefix.length + length) return wanted;
  const ids = [...new Set(await list())];
  const matches = ids.filter((id) => id.startsWith(wanted));
  const [first, ...others] = matches;
  if (first === undefined) {
    const beginnings = ids.map((id) => id.slice(0, wanted.length));
    throw new RbeeError(notFound, `no ${kind} id starts with "${wanted}"`, {
      hint: `${didYouMean(wanted, beginnings)}run "${listCommand}" to see the ids`,
    });
  }
  if (others.length > 0) throw ambiguous(kind, text, matches);
  return first;
}

/** An id or the beginning of one, with its prefix. @throws KeeperError USAGE if the text is neither */
export function beginningOf(kind: IdKind, text: string): string {
  return `${KINDS[kind].prefix}${digitsOf(kind, text)}`;
}

/** The full id of a download, from an id or the beginning of one. @throws as `resolveId` */
export function resolveDownloadId(client: ListClient, text: string, signal: AbortSignal): Promise<string> {
  return resolveId('download', text, () => client.downloadIds(signal));
}

/** The full id of a job, from an id or the beginning of one. @throws as `resolveId` */
export function resolveJobId(client: ListClient, text: string, signal: AbortSignal): Promise<string> {
  return resolveId('job', text, async () => (await client.jobs(signal)).map((job) => job.job_id));
}

/** Whether a text can only be an id or the beginning of one: no model name looks like that. */
export function looksLikeId(text: string): boolean {
  const lower = text.toLowerCase();
  const prefix = Object.values(KINDS).find((kind) => lower.startsWith(kind.prefix))?.prefix ?? '';
  return !lower.includes('/') && !lower.includes(':') && (prefix !== '' || UUID_DIGITS.test(lower));
}

function digitsOf(kind: IdKind, text: string): string {
  const lower = text.toLowerCase();
  for (const other of Object.keys(KINDS) as IdKind[]) {
    if (!lower.startsWith(KINDS[other].prefix)) continue;
    if (other !== kind)
      throw usageError(`"${text}" is the id of a ${other}, not of a ${kind}`, `see "rbee-keeper ${other} --help"`);
  }
  const { prefix, list, length } = KINDS[kind];
  const digits = lower.startsWith(prefix) ? lower.slice(prefix.length) : lower;
  if (!UUID_DIGITS.test(digits) || digits.length > length) {
    throw usageError(`"${text}" is not the id of a ${kind}`, `run "${list}" to see the ids`);
  }
  return digits;
}

export function ambiguous(kind: IdKind, text: string, matches: readonly string[]): Error {
  const shown = matches.slice(0, MAX_CANDIDATES_SHOWN).join(', ');
  const rest = matches.length > MAX_CANDIDATES_SHOWN ? ` and ${matches.length - MAX_CANDIDATES_SHOWN} more` : '';
  return usageError(`"${text}" matches ${matches.length} ${kind}s: ${shown}${rest}`, 'use one of these ids');
}
