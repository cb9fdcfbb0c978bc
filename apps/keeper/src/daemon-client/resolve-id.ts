import { RbeeError } from '@rbee/contract';
import { usageError } from '../keeper-error.ts';

const KINDS = {
  download: { prefix: 'dl-', notFound: 'DOWNLOAD_NOT_FOUND', list: 'rbee-keeper download list' },
  job: { prefix: 'job-', notFound: 'JOB_NOT_FOUND', list: 'rbee-keeper job list' },
} as const;

export type IdKind = keyof typeof KINDS;

const UUID_LENGTH = 36;
const MAX_CANDIDATES_SHOWN = 10;

/**
 * The full id that a text stands for: an id, or the beginning of exactly one, with or without `dl-` or `job-`.
 * `list` is asked only for a beginning.
 * @throws KeeperError USAGE where the text is no id or stands for several; RbeeError where it stands for none
 */
export async function resolveId(kind: IdKind, text: string, list: () => Promise<readonly string[]>): Promise<string> {
  const { prefix, notFound, list: listCommand } = KINDS[kind];
  const wanted = `${prefix}${digitsOf(kind, text)}`;
  if (wanted.length === prefix.length + UUID_LENGTH) return wanted;
  const matches = [...new Set(await list())].filter((id) => id.startsWith(wanted));
  const [first, ...others] = matches;
  if (first === undefined) {
    throw new RbeeError(notFound, `no ${kind} has an id that begins with "${wanted}"`, {
      hint: `"${listCommand}" shows the ids`,
    });
  }
  if (others.length > 0) throw ambiguous(kind, text, matches);
  return first;
}

function digitsOf(kind: IdKind, text: string): string {
  const lower = text.toLowerCase();
  for (const other of Object.keys(KINDS) as IdKind[]) {
    if (!lower.startsWith(KINDS[other].prefix)) continue;
    if (other !== kind)
      throw usageError(`"${text}" is the id of a ${other}, not of a ${kind}`, `see rbee-keeper ${other}`);
  }
  const { prefix, list } = KINDS[kind];
  const digits = lower.startsWith(prefix) ? lower.slice(prefix.length) : lower;
  if (!/^[0-9a-f][0-9a-f-]*$/.test(digits) || digits.length > UUID_LENGTH) {
    throw usageError(`"${text}" is not the id of a ${kind}`, `"${list}" shows the ids`);
  }
  return digits;
}

function ambiguous(kind: IdKind, text: string, matches: readonly string[]): Error {
  const shown = matches.slice(0, MAX_CANDIDATES_SHOWN).join(', ');
  const rest = matches.length > MAX_CANDIDATES_SHOWN ? `, and ${matches.length - MAX_CANDIDATES_SHOWN} more` : '';
  return usageError(
    `"${text}" is the beginning of ${matches.length} ${kind} ids: ${shown}${rest}`,
    'write more of the id',
  );
}
