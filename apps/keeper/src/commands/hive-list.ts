import type { Hive } from '@rbee/contract';
import type { ListDeps } from './command-deps.ts';

/** The hives that the queen knows. */
export function hiveList({ client, signal }: ListDeps): Promise<Hive[]> {
  return client.hives(signal);
}
