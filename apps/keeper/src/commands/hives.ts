import { RbeeError } from '@rbee/contract';
import { didYouMean } from '../did-you-mean.ts';
import type { CommandDeps } from './command-deps.ts';

/** Does work that names hives. Where the queen does not know one, the error says which name may have been meant. */
export async function suggestingHives<T>(
  { client, signal }: Pick<CommandDeps, 'client' | 'signal'>,
  names: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RbeeError) || error.code !== 'HIVE_NOT_FOUND' || names.length === 0) throw error;
    const known = (await client.hives(signal).catch(() => [])).map((hive) => hive.hive_id);
    const unknown = names.find((name) => !known.includes(name));
    const meant = unknown === undefined ? '' : didYouMean(unknown, known);
    throw new RbeeError(error.code, error.message, {
      hint: `${meant}"rbee-keeper hive list" shows the names`,
      ...(error.details === undefined ? {} : { details: error.details }),
      cause: error,
    });
  }
}
