import { type FleetRepo, formatBytes } from '@rbee/contract';
import type { SearchResult } from '../results.ts';
import { type Column, table } from './table.ts';
import { printable } from './text.ts';
import type { TextOptions } from './text-options.ts';

type Choice = FleetRepo['choices'][number];
/** Quantisations of one model in a table. */
const MAX_QUANTISATIONS = 6;
/** Below this many columns the name matters more than how much a model is liked. */
const NARROW_COLUMNS = 90;
const LESS_IMPORTANT: readonly string[] = ['LIKES', 'PARAMS'];

/** Models of the hub. */
export function searchText({ words, models }: SearchResult, { width, isWide }: TextOptions): string {
  if (models.length === 0) return `no model matches "${printable(words)}"\n`;
  type Row = SearchResult['models'][number];
  const columns: readonly Column<Row>[] = [
    // Whole: it is what people copy.
    { title: 'MODEL', cell: (row) => row.repo },
    { title: 'DOWNLOADS', cell: (row) => count(row.downloads), side: 'right' },
    { title: 'LIKES', cell: (row) => count(row.likes), side: 'right' },
    { title: 'PARAMS', cell: (row) => count(row.parameters), side: 'right' },
    { title: 'SIZE', cell: ({ bytes }) => (bytes === null ? '' : `~${formatBytes(bytes)}`), side: 'right' },
    { title: 'QUANTISATIONS', cell: (row) => quantisations(row.quantisations, isWide), shrinks: true },
    { title: 'ACCESS', cell: ({ gated, private: isPrivate }) => (isPrivate ? 'private' : gated ? 'gated' : '') },
  ];
  return table(
    columns.filter(({ title, cell }) => {
      const isNarrow = width !== null && width < NARROW_COLUMNS;
      return title === 'ACCESS' ? models.some((row) => cell(row) !== '') : !isNarrow || !LESS_IMPORTANT.includes(title);
    }),
    models,
    width,
  );
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
  const columns: readonly Column<Choice>[] = [
    { title: '#', cell: (choice) => String(repo.choices.indexOf(choice) + 1), side: 'right' },
    { title: 'QUANTISATION', cell: (choice) => choice.name, shrinks: true },
    { title: 'SIZE', cell: ({ bytes }) => (bytes === null ? 'unknown' : formatBytes(bytes)), side: 'right' },
    { title: hives.size > 1 ? 'FITS ON' : 'FITS', cell: (choice) => fitsText(choice, hives.size), shrinks: true },
    { title: 'ON DISK', cell: (choice) => onDiskText(choice, hives.size), shrinks: true },
    { title: '', cell: ({ chosen }) => (chosen ? 'recommended' : '') },
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
