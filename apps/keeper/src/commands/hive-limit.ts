import type { HiveLimit } from '../answers.ts';
import type { CommandDeps } from './command-deps.ts';
import { suggestingHives } from './hives.ts';

/** Limits the bandwidth of all downloads of a hive together, those that run too; null takes the limit away. */
export async function hiveLimit(deps: CommandDeps, hive: string, maxBandwidth: number | null): Promise<HiveLimit> {
  await suggestingHives(deps, [hive], () => deps.client.limitHive(hive, maxBandwidth, deps.signal));
  return { hive_id: hive, max_bandwidth: maxBandwidth };
}
