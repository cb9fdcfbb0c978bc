import {
  type Download,
  displayNames,
  formatBytes,
  formatSeconds,
  formatSpeed,
  type Hive,
  type Job,
  type ModelRef,
  parseModelRef,
  RbeeError,
} from '@rbee/contract';
import type {
  DownloadListing,
  FleetPlaces,
  FleetStatus,
  ListedModel,
  ListedPartial,
  ModelListing,
} from '../results.ts';
import { type Column, table } from './table.ts';
import { printable, wrap } from './text.ts';
import type { TextOptions } from './text-options.ts';

/** The models, grouped by repo; outside a terminal every row names its repo. */
export function modelsText({ models }: ModelListing, { width, isWide, now }: TextOptions): string {
  if (models.length === 0) return 'no models yet: download one with "rbee-keeper pull NAME"\n';
  const nameOf = displayNames(models.map(({ model_ref: ref }) => ref));
  const idOf = isWide ? (id: string) => id : shortModelIds(models.map(({ model_id: id }) => id));
  const repos = models.map(({ model_ref: ref }) => repoOf(ref));
  const isGrouped = width !== null && !isWide;
  const repoAt = new Map(models.map((model, at) => [model, isGrouped && repos[at] === repos[at - 1] ? '' : repos[at]]));
  const columns: readonly Column<ListedModel>[] = [
    // The name says much of it.
    { title: 'REPO', cell: (model) => repoAt.get(model) ?? '', least: 20, rank: 4 },
    { title: 'MODEL', cell: (model) => nameOf(model.model_ref), least: 22 },
    { title: 'HIVE', cell: (model) => model.hive_id, least: 8, rank: 1 },
    { title: 'SIZE', cell: (model) => formatBytes(model.bytes), side: 'right', rank: 2 },
    { title: 'DOWNLOADED', cell: (model) => ago(model.modified_at, now), rank: 3 },
    { title: 'ID', cell: (model) => idOf(model.model_id) },
    ...(isWide
      ? ([
          { title: 'FILES', cell: (model) => String(model.files), side: 'right' },
          { title: 'REF', cell: (model) => model.model_ref },
          { title: 'PATH', cell: (model) => model.path },
        ] satisfies readonly Column<ListedModel>[])
      : []),
  ];
  return table(columns, models, width);
}

/** Where a model is from: the repo of a hub, or else the host or the scheme. */
export function repoOf(ref: string): string {
  const parsed = readRef(ref);
  if (parsed === null) return '';
  if (parsed.scheme === 'hf') return parsed.repo;
  return 'url' in parsed ? new URL(parsed.url).host : parsed.scheme;
}

/** The revision of a repo of a hub; null for any other ref. */
export function revisionOf(ref: string): string | null {
  const parsed = readRef(ref);
  return parsed?.scheme === 'hf' ? parsed.revision : null;
}

/** Null for a ref of a newer queen that this version cannot parse. */
function readRef(ref: string): ModelRef | null {
  try {
    return parseModelRef(ref);
  } catch (error) {
    if (!(error instanceof RbeeError)) throw error;
    return null;
  }
}

/** Partial downloads and problems of the stores; empty if there are none. */
export function storeNotesText({ partials, problems }: ModelListing, { width, now }: TextOptions): string {
  const columns: readonly Column<ListedPartial>[] = [
    { title: 'PARTIAL', cell: (partial) => partial.origin ?? partial.path, least: 20 },
    { title: 'HIVE', cell: (partial) => partial.hive_id, least: 8, rank: 2 },
    { title: 'ON DISK', cell: (partial) => formatBytes(partial.bytes), side: 'right', rank: 1 },
    { title: 'SIZE', cell: ({ total }) => (total === null ? '' : formatBytes(total)), side: 'right', rank: 3 },
    { title: 'CHANGED', cell: ({ modified_at: at }) => ago(at, now), rank: 4 },
  ];
  const broken = problems.map(({ hive_id: hive, path, message }) => {
    const where = path === null ? hive : `${hive}: ${path}`;
    return `problem: ${printable(`${where}: ${message}`)}\n`;
  });
  const partialTable = partials.length === 0 ? '' : table(columns, partials, width);
  return [partialTable, broken.join('')].filter((text) => text !== '').join('\n');
}

/** `1 file`, `2 files`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

export function downloadsText({ downloads, more }: DownloadListing, options: TextOptions): string {
  if (downloads.length === 0) return 'no downloads\n';
  const rest = more ? 'older downloads are not shown: raise --limit\n' : '';
  return downloadTable(downloads, options) + rest;
}

export function downloadTable(downloads: readonly Download[], { width, isWide, now }: TextOptions): string {
  const idOf = isWide ? (id: string) => id : shortIds(downloads.map(({ download_id: id }) => id));
  const nameOf = displayNames(downloads.map(({ model_ref: ref }) => ref));
  const columns: readonly Column<Download>[] = [
    { title: 'DOWNLOAD', cell: ({ download_id: id }) => idOf(id) },
    { title: 'HIVE', cell: (download) => download.hive_id, least: 8, rank: 3 },
    { title: 'STATUS', cell: (download) => download.status, rank: 1 },
    {
      title: 'DONE',
      cell: ({ percent }) => (percent === null ? '' : `${percent.toFixed(1)}%`),
      side: 'right',
      rank: 2,
    },
    { title: 'SIZE', cell: ({ bytes, total }) => formatBytes(total ?? bytes), side: 'right', rank: 5 },
    { title: 'SPEED', cell: ({ speed_bps: speed }) => (speed > 0 ? formatSpeed(speed) : ''), side: 'right', rank: 4 },
    { title: 'STARTED', cell: ({ created_at: at }) => ago(at, now), rank: 6 },
    { title: 'MODEL', cell: (download) => nameOf(download.model_ref), least: 14 },
  ];
  return table(columns, downloads, width);
}

export function jobsText(jobs: readonly Job[], { width, isWide, now }: TextOptions): string {
  if (jobs.length === 0) return 'no jobs\n';
  const idOf = isWide ? (id: string) => id : shortIds(jobs.map(({ job_id: id }) => id));
  const nameOf = isWide ? (ref: string) => ref : displayNames(jobs.flatMap(({ model }) => model ?? []));
  const columns: readonly Column<Job>[] = [
    { title: 'JOB', cell: ({ job_id: id }) => idOf(id) },
    { title: 'STATE', cell: (job) => job.state, rank: 1 },
    { title: 'OPERATION', cell: (job) => job.operation, rank: 2 },
    { title: 'STARTED', cell: ({ created_at: at }) => ago(at, now), rank: 3 },
    { title: 'MODEL', cell: ({ model }) => (model === null ? '' : nameOf(model)), least: 14 },
  ];
  return table(columns, jobs, width);
}

export function hivesText(hives: readonly Hive[], { width, now }: TextOptions): string {
  if (hives.length === 0) return 'no hives: start one with "rbee-hive --queen-url URL"\n';
  const columns: readonly Column<Hive>[] = [
    { title: 'HIVE', cell: (hive) => hive.hive_id, least: 20 },
    { title: 'STATE', cell: (hive) => (hive.online ? 'online' : 'offline'), rank: 1 },
    { title: 'ACTIVE', cell: (hive) => String(hive.active_downloads), side: 'right', rank: 3 },
    { title: 'SPEED', cell: ({ speed_bps: speed }) => (speed > 0 ? formatSpeed(speed) : ''), side: 'right', rank: 4 },
    { title: 'FREE', cell: ({ free_bytes: free }) => (free === null ? '' : formatBytes(free)), side: 'right', rank: 2 },
    { title: 'SEEN', cell: ({ last_seen_at: at }) => (at === null ? 'never' : ago(at, now)), rank: 5 },
    { title: 'URL', cell: (hive) => hive.hive_url, least: 16, rank: 6 },
  ];
  return table(columns, hives, width);
}

export function statusText({ queen, hives, downloads }: FleetStatus, options: TextOptions): string {
  const running = downloads.length === 0 ? 'no active downloads\n' : downloadTable(downloads, options);
  const summary = [
    `queen ${printable(queen.queen_id)} at ${printable(queen.queen_url)}`,
    `version ${printable(queen.version)}`,
    `up ${formatSeconds(queen.uptime_secs)}`,
    `${queen.hives_online} of ${queen.hives} hives online`,
  ].join(', ');
  const lines = options.width === null ? [summary] : wrap(summary, options.width);
  return `${lines.join('\n')}\n\n${hivesText(hives, options)}\n${running}`;
}

export function placesText(places: FleetPlaces): string {
  return [
    `queen    ${printable(places.queen_url)}`,
    `hive     ${printable(places.hive_url)} (${printable(places.hive_id)})`,
    `models   ${printable(places.models_dir)}`,
    'Press Ctrl+C to stop both.\n',
  ].join('\n');
}

/** The first two groups of the UUID: the full timestamp of a UUIDv7, 48 random bits of a UUIDv4. */
const SHORT_UUID_CHARS = 13;
/** Of the 12 digits of a model's id. */
const SHORT_MODEL_CHARS = 7;

/** The shortest unambiguous beginnings of these ids, which commands accept in place of the ids. */
export function shortIds(ids: readonly string[], least = SHORT_UUID_CHARS): (id: string) => string {
  const distinct = [...new Set(ids)];
  const longest = Math.max(0, ...distinct.map((id) => id.length));
  for (let length = least; length < longest; length += 1) {
    const cut = (id: string) => id.slice(0, id.indexOf('-') + 1 + length);
    if (new Set(distinct.map(cut)).size === distinct.length) return cut;
  }
  return (id) => id;
}

/** The same for ids of models. */
export const shortModelIds = (ids: readonly string[]) => shortIds(ids, SHORT_MODEL_CHARS);

const AGES: readonly (readonly [secs: number, unit: string])[] = [
  [365 * 86_400, 'year'],
  [30 * 86_400, 'month'],
  [7 * 86_400, 'week'],
  [86_400, 'day'],
  [3_600, 'hour'],
  [60, 'min'],
  [1, 's'],
];

/** How long ago something was, in one unit: `3 days ago`. */
export function ago(timestamp: string, now: number): string {
  const secs = (now - Date.parse(timestamp)) / 1_000;
  const [unitSecs, unit] = AGES.find(([least]) => secs >= least) ?? [1, ''];
  if (unit === '') return 'now';
  const count = Math.floor(secs / unitSecs);
  return `${count} ${unit}${count > 1 && unitSecs >= 3_600 ? 's' : ''} ago`;
}
