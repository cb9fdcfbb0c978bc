import { RbeeError } from '@rbee/contract';
import { didYouMean } from '../did-you-mean.ts';
import type { CommandDeps } from './command-deps.ts';

/** Runs work that names hives. If the queen does not know one, the hint of the error suggests the closest name. */
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
    const suggestion = unknown === undefined ? '' : didYouMean(unknown, known);
    throw new RbeeError(error.code, error.message, {
      hint: `${suggestion}run "rbee-keeper hive list" to see the names`,
      ...(error.details === undefined ? {} : { details: error.details }),
      cause: error,
    });
  }
}
