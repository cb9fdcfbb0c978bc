import { displayNames, formatBytes } from '@rbee/contract';
import type { HiveRemoved, Pruned, PrunedEntry, RemovedPartial } from '../results.ts';
import { ago, countOf, repoOf } from './list-text.ts';
import { type Column, table } from './table.ts';
import type { TextOptions } from './text-options.ts';

/** What a removal takes from the stores. */
export interface RemovedThings {
  readonly removed: readonly HiveRemoved[];
  readonly partials: readonly RemovedPartial[];
}

export function removedText(things: RemovedThings, options: TextOptions): string {
  return removalTable(things, 'REMOVED', 'FREED', options);
}

/** What would be removed, and how much that frees. */
export function removalText(things: RemovedThings, options: TextOptions): string {
  return removalTable(things, 'MODEL', 'FREES', options);
}

interface Removal {
  readonly name: string;
  readonly bytes: number;
  readonly hive: string;
  readonly note: string;
  /** The whole ref or the path. */
  readonly whole: string;
}

function removalTable(things: RemovedThings, title: string, sizeTitle: string, { width, isWide }: TextOptions): string {
  const rows = removalsOf(things);
  if (rows.length === 0) return '';
  const columns: readonly Column<Removal>[] = [
    { title, cell: ({ name }) => name, least: 20 },
    { title: sizeTitle, cell: ({ bytes }) => formatBytes(bytes), side: 'right' },
    { title: 'HIVE', cell: ({ hive }) => hive, least: 8, rank: 1 },
    ...(rows.some(({ note }) => note !== '') ? [{ title: 'NOTE', cell: ({ note }: Removal) => note, rank: 2 }] : []),
    ...(isWide ? [{ title: 'REF', cell: ({ whole }: Removal) => whole }] : []),
  ];
  return table(columns, rows, width);
}

function removalsOf({ removed, partials }: RemovedThings): Removal[] {
  const nameOf = displayNames(removed.map(({ model_ref: ref }) => ref));
  return [
    ...removed.map(({ hive_id: hive, model_ref: ref, freed_bytes: bytes, shared_bytes: shared }) => ({
      ...{ name: nameOf(ref), bytes, hive, whole: ref },
      note: shared === 0 ? '' : `${formatBytes(shared)} kept for other models`,
    })),
    ...partials.map(({ hive_id: hive, path, bytes, origin }) => ({
      ...{ name: repoOf(origin) || origin, bytes, hive, whole: path },
      note: 'partial download',
    })),
  ];
}

/** How much a removal or a prune frees. */
export function freedText(removal: RemovedThings | Pruned): string {
  if ('freed_bytes' in removal) return formatBytes(removal.freed_bytes);
  const models = removal.removed.reduce((sum, { freed_bytes: freed }) => sum + freed, 0);
  return formatBytes(removal.partials.reduce((sum, { bytes }) => sum + bytes, models));
}

const KINDS: Readonly<Record<PrunedEntry['kind'], string>> = {
  partial: 'partial',
  blob: 'unused file',
  damaged: 'damaged file',
  link: 'dead link',
};

/** `minAge`: for how long recent files stay. */
export function prunedText(pruned: Pruned, options: TextOptions, minAge: string): string {
  const { dry_run: isDryRun, freed_bytes: freed, removed } = pruned;
  if (removed.length === 0) return `nothing to prune\n${keptText(pruned, minAge)}`;
  const sum = isDryRun
    ? `${formatBytes(freed)} would be freed; nothing was removed\n`
    : `${formatBytes(freed)} freed\n`;
  return prunableText(pruned, options) + sum + keptText(pruned, minAge);
}

/** The table of what is removed. */
export function prunableText({ removed }: Pruned, { width, isWide, now }: TextOptions): string {
  const isWhole = isWide || width === null;
  const columns: readonly Column<PrunedEntry>[] = [
    { title: 'REPO', cell: ({ path }) => inRepo(path)?.repo ?? path, least: 20 },
    { title: 'KIND', cell: (entry) => KINDS[entry.kind], rank: 2 },
    { title: 'SIZE', cell: (entry) => formatBytes(entry.bytes), side: 'right', rank: 1 },
    { title: 'HIVE', cell: (entry) => entry.hive_id, least: 8, rank: 3 },
    { title: 'CHANGED', cell: (entry) => ago(entry.modified_at, now), rank: 4 },
    { title: 'PATH', cell: ({ path }) => (isWhole ? path : (inRepo(path)?.rest ?? '')), least: 16, rank: 5 },
  ];
  return table(columns, removed, width);
}

/** The repo whose folder of the Hugging Face cache a file is in, and the rest of its path; null for any other file. */
function inRepo(path: string): { readonly repo: string; readonly rest: string } | null {
  const [, place, rest] = /[\\/]models--(?!rbee\.)([^\\/]+)[\\/](.+)$/.exec(path) ?? [];
  return place === undefined || rest === undefined ? null : { repo: place.replace('--', '/'), rest };
}

export const pruneQuestion = (pruned: Pruned): string =>
  `Remove ${countOf(pruned.removed.length, 'file')} and free ${freedText(pruned)}?`;

/** Why partial files stay, and what removes them. */
function keptText({ kept }: Pruned, minAge: string): string {
  const line = (reason: Pruned['kept'][number]['reason'], why: string) => {
    const partials = kept.filter((entry) => entry.reason === reason);
    const bytes = partials.reduce((sum, entry) => sum + entry.bytes, 0);
    if (partials.length === 0) return '';
    const [verb, pronoun] = partials.length === 1 ? ['stays', 'it'] : ['stay', 'them'];
    return `${countOf(partials.length, 'partial file')} (${formatBytes(bytes)}) ${verb}: ${why.replace('%', pronoun)}\n`;
  };
  return (
    line('recent', `changed in the last ${minAge}; remove % with "rbee-keeper model prune --partials"`) +
    line('in_use', 'a download that has not ended needs %')
  );
}
