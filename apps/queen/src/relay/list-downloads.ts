import {
  type Download,
  type DownloadId,
  type DownloadStatus,
  type FleetDownloadList,
  type Hive,
  type HiveProblem,
  toRbeeError,
} from '@rbee/contract';
import { pageOf } from '@rbee/daemon';
import type { HiveClient } from '../hives/client.ts';
import { lastSeenDownload } from './last-seen-download.ts';
import type { Relay } from './relay.ts';

/** A hive that takes longer is listed as a problem: a person waits for the list. */
const TIMEOUT_MS = 3_000;

export interface ListDownloadsDeps {
  readonly relay: Pick<Relay, 'runningAt'>;
  readonly client: Pick<HiveClient, 'listDownloads'>;
  readonly hives: () => readonly Hive[];
  readonly queenId: string;
}

export interface DownloadListQuery {
  readonly status?: DownloadStatus | undefined;
  readonly limit: number;
  readonly cursor?: DownloadId | undefined;
}

/** What one hive contributes to a page. */
interface Part {
  readonly downloads: readonly Download[];
  /** The hive has more after the last of these. */
  readonly hasMore: boolean;
  readonly problem: HiveProblem | null;
}

/**
 * One page of the downloads of all hives, newest first. In place of what a hive does not say there is what the queen last
 * saw of its running downloads, and a problem.
 */
export async function listDownloads(deps: ListDownloadsDeps, query: DownloadListQuery): Promise<FleetDownloadList> {
  const parts = await Promise.all(deps.hives().map((hive) => partOf(deps, hive, query)));
  const oldest = parts.flatMap(({ downloads, hasMore }) => (hasMore ? (idsOf(downloads).at(0) ?? []) : []));
  // A hive that has more may have some between these and the older ones of the others: those belong to the next page.
  const cut = oldest.sort().at(-1);
  const byId = new Map(parts.flatMap(({ downloads }) => downloads.map((each) => [each.download_id, each])));
  const all = [...byId.values()].filter(({ download_id }) => cut === undefined || download_id >= cut);
  const { downloads, next_cursor } = pageOf(all, query);
  const hasMore = parts.some((part) => part.hasMore);
  return {
    downloads: downloads.map((download) => ({ ...download, orchestrator_id: deps.queenId })),
    next_cursor: next_cursor ?? (hasMore ? (downloads.at(-1)?.download_id ?? null) : null),
    problems: parts.flatMap(({ problem }) => problem ?? []),
  };
}

const idsOf = (downloads: readonly Download[]): DownloadId[] => downloads.map(({ download_id }) => download_id).sort();

async function partOf(deps: ListDownloadsDeps, hive: Hive, query: DownloadListQuery): Promise<Part> {
  const { hive_id, online } = hive;
  if (!online) {
    const downloads = lastSeen(deps, hive_id);
    const message = `the hive ${hive_id} is offline; its running downloads are listed as last seen`;
    return { downloads, hasMore: false, problem: downloads.length === 0 ? null : problem(hive_id, message) };
  }
  try {
    const { downloads, next_cursor } = await deps.client.listDownloads(hive, forwarded(query), TIMEOUT_MS);
    // Whose they are is for the queen to say.
    return { downloads: downloads.map((each) => ({ ...each, hive_id })), hasMore: next_cursor !== null, problem: null };
  } catch (error) {
    const { code, message } = toRbeeError(error);
    return { downloads: lastSeen(deps, hive_id), hasMore: false, problem: { hive_id, code, message } };
  }
}

function lastSeen({ relay }: ListDownloadsDeps, hiveId: string): Download[] {
  return relay.runningAt(hiveId).map((progress) => lastSeenDownload(progress, Date.now()));
}

const problem = (hive_id: string, message: string): HiveProblem => ({ hive_id, code: 'HIVE_UNAVAILABLE', message });

function forwarded({ status, limit, cursor }: DownloadListQuery): Record<string, string> {
  return {
    limit: String(limit),
    ...(status === undefined ? {} : { status }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}
