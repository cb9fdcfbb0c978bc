import type { FleetStatus } from '../answers.ts';
import type { ListDeps } from './command-deps.ts';
import { activeDownloads } from './download-list.ts';

/** The queen, its hives and what they are doing. */
export async function status(deps: ListDeps): Promise<FleetStatus> {
  const { client, signal } = deps;
  const [info, hives, downloads] = await Promise.all([
    client.info(signal),
    client.hives(signal),
    activeDownloads(deps),
  ]);
  return { queen: { queen_url: client.url, ...info }, hives, downloads };
}
