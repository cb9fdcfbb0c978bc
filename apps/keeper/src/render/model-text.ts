import { formatBytes, formatSpeed, type Gguf } from '@rbee/contract';
import type { HiveLimit, HiveModel, HivePlan, HiveRemoved, Pruned, PrunedEntry, VerifiedModel } from '../results.ts';
import { countOf } from './list-text.ts';
import { type Column, rowsText, table } from './table.ts';
import { printable } from './text.ts';
import type { TextOptions } from './text-options.ts';

/** The plan of a download: facts, files, totals. */
export function planText(plan: HivePlan, { width }: TextOptions): string {
  const columns: readonly Column<HivePlan['files'][number]>[] = [
    { title: 'FILE', cell: (file) => file.path, shrinks: true },
    { title: 'SIZE', cell: (file) => sizeOf(file.bytes), side: 'right' },
    { title: 'ON DISK', cell: ({ present_bytes: bytes }) => (bytes === 0 ? '' : formatBytes(bytes)), side: 'right' },
  ];
  return [
    rowsText([
      ['model', plan.model_ref],
      ['pinned', plan.pinned_ref],
      ['hive', plan.hive_id],
      ['gguf', ggufText(plan.gguf)],
    ]),
    `\n${table(columns, plan.files, width)}\n`,
    `${countOf(plan.files.length, 'file')}, ${sizeOf(plan.total)}; ${sizeOf(plan.needed_bytes)} to download`,
    plan.present_bytes === 0 ? '\n' : `, ${formatBytes(plan.present_bytes)} on disk\n`,
    `${plan.fits ? 'fits' : 'does not fit'} on ${printable(plan.hive_id)} (${plan.free_bytes === null ? 'free space unknown' : `${formatBytes(plan.free_bytes)} free`})\n`,
  ].join('');
}

/** The details of one model, with its files. */
export function modelText(model: HiveModel, { width }: TextOptions): string {
  const columns: readonly Column<HiveModel['file_list'][number]>[] = [
    { title: 'FILE', cell: (file) => file.path, shrinks: true },
    { title: 'SIZE', cell: (file) => formatBytes(file.bytes), side: 'right' },
    { title: 'SHA256', cell: (file) => file.sha256 ?? '' },
  ];
  return [
    rowsText([
      ['model', model.model_id],
      ['ref', model.model_ref],
      ['hive', model.hive_id],
      ['path', model.path],
      ['size', formatBytes(model.bytes)],
      ['gguf', ggufText(model.gguf)],
      ['modified', model.modified_at],
    ]),
    `\n${table(columns, model.file_list, width)}`,
  ].join('');
}

export interface RemovedThings {
  readonly removed: readonly HiveRemoved[];
  readonly partials: readonly PrunedEntry[];
}

export function removedText({ removed, partials }: RemovedThings): string {
  return [
    ...removed.map((each) => `removed ${removalOf(each)}`),
    ...partials.map((each) => `removed ${partialOf(each)}`),
  ]
    .map(printableLine)
    .join('');
}

/** What would be removed, and how much that frees. */
export function removalText({ removed, partials }: RemovedThings): string {
  return [...removed.map(removalOf), ...partials.map(partialOf)].map(printableLine).join('');
}

/** How much a removal or a prune frees. */
export function freedText(removal: RemovedThings | Pruned): string {
  if ('freed_bytes' in removal) return formatBytes(removal.freed_bytes);
  const models = removal.removed.reduce((sum, { freed_bytes: freed }) => sum + freed, 0);
  return formatBytes(removal.partials.reduce((sum, { bytes }) => sum + bytes, models));
}

function removalOf({ hive_id: hive, model_ref: ref, freed_bytes: freed, shared_bytes: shared }: HiveRemoved): string {
  const rest = shared === 0 ? '' : `; ${formatBytes(shared)} kept for other models`;
  return `${ref} from ${hive}: ${formatBytes(freed)} freed${rest}`;
}

const partialOf = ({ hive_id: hive, path, bytes }: PrunedEntry): string =>
  `partial file ${path} from ${hive}: ${formatBytes(bytes)} freed`;

/** `isRepaired`: damaged files are about to be downloaded again. */
export function verifiedText(models: readonly VerifiedModel[], isRepaired: boolean, { width }: TextOptions): string {
  if (models.length === 0) return 'no models to verify\n';
  const columns: readonly Column<VerifiedModel>[] = [
    { title: 'MODEL', cell: (model) => model.model_id },
    { title: 'HIVE', cell: (model) => model.hive_id },
    { title: 'STATE', cell: (model) => (model.ok ? 'ok' : 'damaged') },
    { title: 'SIZE', cell: (model) => formatBytes(model.bytes), side: 'right' },
    { title: 'FILES', cell: (model) => String(model.files), side: 'right' },
    { title: 'REF', cell: (model) => model.model_ref, shrinks: true },
  ];
  const problems = models.flatMap((model) =>
    model.problems.map(({ path, code, message }) =>
      printableLine(`${model.model_id} on ${model.hive_id}: ${path}: ${message} (${code})`),
    ),
  );
  const isToRepair = !isRepaired && models.some((model) => !model.ok);
  const advice = isToRepair ? 'download damaged files again with "rbee-keeper model verify --repair"\n' : '';
  return `${table(columns, models, width)}${problems.join('')}${advice}`;
}

const KINDS: Readonly<Record<Pruned['removed'][number]['kind'], string>> = {
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
export function prunableText({ removed }: Pruned, { width }: TextOptions): string {
  const columns: readonly Column<Pruned['removed'][number]>[] = [
    { title: 'HIVE', cell: (entry) => entry.hive_id },
    { title: 'KIND', cell: (entry) => KINDS[entry.kind] },
    { title: 'SIZE', cell: (entry) => formatBytes(entry.bytes), side: 'right' },
    { title: 'CHANGED', cell: (entry) => entry.modified_at.slice(0, 10) },
    { title: 'PATH', cell: (entry) => entry.path, shrinks: true },
  ];
  return table(columns, removed, width);
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

export function limitText({ hive_id: hive, max_bandwidth: limit }: HiveLimit): string {
  return `${printable(hive)}: ${limit === null ? 'unlimited' : `limited to ${formatSpeed(limit)} in total`}\n`;
}

function ggufText(gguf: Gguf | null): string | null {
  if (gguf === null) return null;
  const { architecture, name, parameters, quantisation, context_length: context } = gguf;
  const parts = [
    architecture,
    parameters === null ? null : `${countText(parameters)} parameters`,
    quantisation,
    context === null ? null : `context ${context}`,
    name,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

/** A large number, abbreviated: `7.6B`, `494M`. */
function countText(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)}B`;
  return count >= 1e6 ? `${Math.round(count / 1e6)}M` : String(count);
}

const sizeOf = (bytes: number | null): string => (bytes === null ? 'size unknown' : formatBytes(bytes));
const printableLine = (text: string): string => `${printable(text)}\n`;
