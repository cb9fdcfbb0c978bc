import { type Download, type DownloadStatus, RbeeError } from '@rbee/contract';
import { didYouMean } from '../did-you-mean.ts';
import type { FleetStatus, ModelListing } from '../results.ts';
import type { ListDeps } from './command-deps.ts';

/**
 * The models, partial downloads and problems of all online hives, or of one, sorted.
 * @throws RbeeError HIVE_NOT_FOUND
 */
export async function modelList(deps: ListDeps, hive: string | undefined): Promise<ModelListing> {
  if (hive !== undefined) await requireHive(deps, hive);
  const { models, partials, problems } = await deps.client.models(deps.signal);
  const ofHive = ({ hive_id: id }: { readonly hive_id: string }) => hive === undefined || id === hive;
  const byHive = (a: { readonly hive_id: string }, b: { readonly hive_id: string }) =>
    a.hive_id.localeCompare(b.hive_id);
  return {
    models: models.filter(ofHive).sort((a, b) => a.model_ref.localeCompare(b.model_ref) || byHive(a, b)),
    partials: partials.filter(ofHive).sort((a, b) => byHive(a, b) || a.path.localeCompare(b.path)),
    problems: problems.filter(ofHive).sort((a, b) => byHive(a, b) || (a.path ?? '').localeCompare(b.path ?? '')),
  };
}

async function requireHive({ client, signal }: ListDeps, name: string): Promise<void> {
  const known = (await client.hives(signal)).map((hive) => hive.hive_id);
  if (known.includes(name)) return;
  throw new RbeeError('HIVE_NOT_FOUND', `the queen knows no hive named ${name}`, {
    hint: `${didYouMean(name, known)}run "rbee-keeper hive list" to see the names`,
    details: { queen_url: client.url },
  });
}

const ACTIVE: readonly DownloadStatus[] = ['queued', 'starting', 'downloading', 'verifying', 'paused'];

/** Every download that has not ended, newest first. */
export function activeDownloads(deps: ListDeps): Promise<Download[]> {
  return downloadsWith(deps, ACTIVE);
}

/** Every download of these statuses, newest first, at most a thousand of each. */
export async function downloadsWith(
  { client, signal }: ListDeps,
  statuses: readonly DownloadStatus[],
): Promise<Download[]> {
  // One request per status: in a single list an old download that still runs could be many pages down.
  const pages = await Promise.all(statuses.map((status) => client.downloads({ status, limit: 1_000 }, signal)));
  const byId = new Map(pages.flatMap(({ downloads }) => downloads.map((download) => [download.download_id, download])));
  return [...byId.values()].sort((a, b) => b.download_id.localeCompare(a.download_id));
}

/** The newest downloads of these statuses that ended before a time, at most a thousand of each status. */
export async function endedDownloads(
  deps: ListDeps,
  statuses: readonly DownloadStatus[],
  beforeMs: number,
): Promise<Download[]> {
  const ended = await downloadsWith(deps, statuses);
  return ended.filter(({ ended_at: at }) => at !== null && Date.parse(at) <= beforeMs);
}

/** The queen, its hives and the downloads that have not ended. */
export async function fleetStatus(deps: ListDeps): Promise<FleetStatus> {
  const { client, signal } = deps;
  const [info, hives, downloads] = await Promise.all([
    client.info(signal),
    client.hives(signal),
    activeDownloads(deps),
  ]);
  return { queen: { queen_url: client.url, ...info }, hives, downloads };
}
