import type { Hive } from '@rbee/contract';
import type { CommandDeps } from './command.ts';

/** The hives that the queen knows. */
export function hiveList({ client, signal }: CommandDeps): Promise<Hive[]> {
  return client.hives(signal);
}
