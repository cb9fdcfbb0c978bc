import { type Download, formatBytes, formatSeconds, formatSpeed, type Hive, type Job } from '@rbee/contract';
import type {
  DownloadListing,
  FleetPlaces,
  FleetStatus,
  ListedModel,
  ListedPartial,
  ModelListing,
} from '../results.ts';
import { nameOfRef } from './download-view.ts';
import { type Column, table } from './table.ts';
import { printable } from './text.ts';
import type { TextOptions } from './text-options.ts';

export function modelsText({ models }: ModelListing, { width }: TextOptions): string {
  if (models.length === 0) return 'no models yet: download one with "rbee-keeper model download NAME"\n';
  const columns: readonly Column<ListedModel>[] = [
    { title: 'MODEL', cell: (model) => model.model_id },
    { title: 'HIVE', cell: (model) => model.hive_id },
    { title: 'SIZE', cell: (model) => formatBytes(model.bytes), side: 'right' },
    { title: 'FILES', cell: (model) => String(model.files), side: 'right' },
    { title: 'REF', cell: (model) => model.model_ref, shrinks: true },
  ];
  return table(columns, models, width);
}

/** Partial downloads and problems of the stores; empty if there are none. */
export function storeNotesText({ partials, problems }: ModelListing, { width, now }: TextOptions): string {
  const columns: readonly Column<ListedPartial>[] = [
    { title: 'PARTIAL', cell: (partial) => partial.origin ?? partial.path, shrinks: true },
    { title: 'HIVE', cell: (partial) => partial.hive_id },
    { title: 'ON DISK', cell: (partial) => formatBytes(partial.bytes), side: 'right' },
    { title: 'SIZE', cell: ({ total }) => (total === null ? '' : formatBytes(total)), side: 'right' },
    { title: 'AGE', cell: ({ modified_at: at }) => age(at, now), side: 'right' },
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

function downloadTable(downloads: readonly Download[], { width, isWide, now }: TextOptions): string {
  const idOf = isWide ? (id: string) => id : shortIds(downloads.map(({ download_id: id }) => id));
  const columns: readonly Column<Download>[] = [
    { title: 'DOWNLOAD', cell: ({ download_id: id }) => idOf(id) },
    { title: 'HIVE', cell: (download) => download.hive_id },
    { title: 'STATUS', cell: (download) => download.status },
    { title: 'DONE', cell: ({ percent }) => (percent === null ? '' : `${percent.toFixed(1)}%`), side: 'right' },
    { title: 'SIZE', cell: ({ bytes, total }) => formatBytes(total ?? bytes), side: 'right' },
    { title: 'SPEED', cell: ({ speed_bps: speed }) => (speed > 0 ? formatSpeed(speed) : ''), side: 'right' },
    { title: 'AGE', cell: ({ created_at: at }) => age(at, now), side: 'right' },
    { title: 'MODEL', cell: (download) => nameOfRef(download.model_ref), shrinks: true },
  ];
  return table(columns, downloads, width);
}

export function jobsText(jobs: readonly Job[], { width, isWide, now }: TextOptions): string {
  if (jobs.length === 0) return 'no jobs\n';
  const idOf = isWide ? (id: string) => id : shortIds(jobs.map(({ job_id: id }) => id));
  const columns: readonly Column<Job>[] = [
    { title: 'JOB', cell: ({ job_id: id }) => idOf(id) },
    { title: 'STATE', cell: (job) => job.state },
    { title: 'OPERATION', cell: (job) => job.operation },
    { title: 'AGE', cell: ({ created_at: at }) => age(at, now), side: 'right' },
    { title: 'MODEL', cell: ({ model }) => model ?? '', shrinks: true },
  ];
  return table(columns, jobs, width);
}

export function hivesText(hives: readonly Hive[], { width, now }: TextOptions): string {
  if (hives.length === 0) return 'no hives: start one with "rbee-hive --queen-url URL"\n';
  const columns: readonly Column<Hive>[] = [
    { title: 'HIVE', cell: (hive) => hive.hive_id },
    { title: 'STATE', cell: (hive) => (hive.online ? 'online' : 'offline') },
    { title: 'ACTIVE', cell: (hive) => String(hive.active_downloads), side: 'right' },
    { title: 'SPEED', cell: ({ speed_bps: speed }) => (speed > 0 ? formatSpeed(speed) : ''), side: 'right' },
    { title: 'FREE', cell: ({ free_bytes: free }) => (free === null ? '' : formatBytes(free)), side: 'right' },
    { title: 'SEEN', cell: ({ last_seen_at: at }) => (at === null ? 'never' : age(at, now)), side: 'right' },
    { title: 'URL', cell: (hive) => hive.hive_url, shrinks: true },
  ];
  return table(columns, hives, width);
}

export function statusText({ queen, hives, downloads }: FleetStatus, options: TextOptions): string {
  const running = downloads.length === 0 ? 'no active downloads\n' : downloadTable(downloads, options);
  return [
    `queen ${printable(queen.queen_id)} at ${printable(queen.queen_url)}, version ${printable(queen.version)}, `,
    `up ${formatSeconds(queen.uptime_secs)}, ${queen.hives_online} of ${queen.hives} hives online\n\n`,
    hivesText(hives, options),
    `\n${running}`,
  ].join('');
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

/** The shortest unambiguous beginnings of these ids, which commands accept in place of the ids. */
export function shortIds(ids: readonly string[]): (id: string) => string {
  const distinct = [...new Set(ids)];
  const longest = Math.max(0, ...distinct.map((id) => id.length));
  for (let length = SHORT_UUID_CHARS; length < longest; length += 1) {
    const cut = (id: string) => id.slice(0, id.indexOf('-') + 1 + length);
    if (new Set(distinct.map(cut)).size === distinct.length) return cut;
  }
  return (id) => id;
}

function age(timestamp: string, now: number): string {
  return formatSeconds((now - Date.parse(timestamp)) / 1_000);
}
