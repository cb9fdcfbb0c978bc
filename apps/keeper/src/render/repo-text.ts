import { type FleetRepo, formatBytes } from '@rbee/contract';
import type { SearchResult } from '../results.ts';
import { type Column, table } from './table.ts';
import { printable } from './text.ts';
import type { TextOptions } from './text-options.ts';

type Choice = FleetRepo['choices'][number];
/** Quantisations of one model in a table. */
const MAX_QUANTISATIONS = 6;

/** Models of the hub. */
export function searchText({ words, models }: SearchResult, { width, isWide }: TextOptions): string {
  if (models.length === 0) return `no model matches "${printable(words)}"\n`;
  type Row = SearchResult['models'][number];
  const columns: readonly Column<Row>[] = [
    // Whole: it is what people copy.
    { title: 'MODEL', cell: (row) => row.repo },
    { title: 'DOWNLOADS', cell: (row) => count(row.downloads), side: 'right', rank: 2 },
    { title: 'LIKES', cell: (row) => count(row.likes), side: 'right', rank: 6 },
    { title: 'PARAMS', cell: (row) => count(row.parameters), side: 'right', rank: 5 },
    { title: 'SIZE', cell: ({ bytes }) => (bytes === null ? '' : `~${formatBytes(bytes)}`), side: 'right', rank: 3 },
    { title: 'QUANTISATIONS', cell: (row) => quantisations(row.quantisations, isWide), least: 16, rank: 4 },
    { title: 'ACCESS', cell: accessText, rank: 1 },
  ];
  const shown = models.some((row) => accessText(row) !== '') ? columns : columns.slice(0, -1);
  return table(shown, models, width);
}

function accessText({ gated, private: isPrivate }: SearchResult['models'][number]): string {
  return isPrivate ? 'private' : gated ? 'gated' : '';
}

const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const count = (number: number | null): string => (number === null ? '' : COMPACT.format(number));

function quantisations(names: readonly string[], isAll: boolean): string {
  const shown = isAll ? names : names.slice(0, MAX_QUANTISATIONS);
  const rest = names.length - shown.length;
  return shown.join(', ') + (rest > 0 ? `, +${rest}` : '');
}

/** What a repo offers, numbered. */
export function choicesText(repo: FleetRepo, { width }: TextOptions): string {
  const hives = new Set(repo.choices.flatMap(({ hives: at }) => at.map(({ hive_id: id }) => id)));
  const fitsTitle = hives.size > 1 ? 'FITS ON' : 'FITS';
  const columns: readonly Column<Choice>[] = [
    { title: '#', cell: (choice) => String(repo.choices.indexOf(choice) + 1), side: 'right' },
    { title: 'QUANTISATION', cell: (choice) => choice.name, least: 14 },
    { title: 'SIZE', cell: ({ bytes }) => (bytes === null ? 'unknown' : formatBytes(bytes)), side: 'right', rank: 1 },
    { title: fitsTitle, cell: (choice) => fitsText(choice, hives.size), least: 9, rank: 2 },
    { title: 'ON DISK', cell: (choice) => onDiskText(choice, hives.size), least: 9, rank: 3 },
    { title: '', cell: ({ chosen }) => (chosen ? 'recommended' : ''), rank: 4 },
  ];
  const gated = repo.gated ? ' (gated: accept its terms on the hub first)' : '';
  return `${printable(repo.repo)}${gated}\n\n${table(columns, repo.choices, width)}\n`;
}

function fitsText({ hives }: Choice, hiveCount: number): string {
  const fitting = hives.filter(({ fits }) => fits === true);
  if (fitting.length === 0) return hives.some(({ fits }) => fits === null) ? 'unknown' : 'no room';
  if (hiveCount === 1) return 'yes';
  return fitting.length === hiveCount ? 'all hives' : fitting.map(({ hive_id: id }) => id).join(', ');
}

function onDiskText({ hives, bytes }: Choice, hiveCount: number): string {
  const held = hives.flatMap(({ hive_id, on_disk, present_bytes: present }) => {
    if (on_disk === 'complete') return [hiveCount === 1 ? 'yes' : hive_id];
    if (on_disk !== 'partial' || present === null || !bytes) return [];
    const share = `${Math.floor((present / bytes) * 100)}%`;
    return [hiveCount === 1 ? share : `${hive_id} (${share})`];
  });
  return held.join(', ');
}
