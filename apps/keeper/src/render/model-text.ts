import { formatBytes, formatSpeed, type Gguf } from '@rbee/contract';
import type { HiveLimit, HiveModel, HivePlan, HiveRemoved, Pruned, VerifiedModel } from '../results.ts';
import { countOf, type TextOptions } from './list-text.ts';
import { type Column, rowsText, table } from './table.ts';
import { printable } from './text.ts';

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

export function removedText(removed: readonly HiveRemoved[]): string {
  return removed
    .map(({ hive_id: hive, model_ref: ref, freed_bytes: freed, shared_bytes: shared }) => {
      const rest = shared === 0 ? '' : `; ${formatBytes(shared)} kept for other models`;
      return printableLine(`removed ${ref} from ${hive}: ${formatBytes(freed)} freed${rest}`);
    })
    .join('');
}

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

export function prunedText({ dry_run: isDryRun, freed_bytes: freed, removed }: Pruned, { width }: TextOptions): string {
  if (removed.length === 0) return 'nothing to prune\n';
  const columns: readonly Column<Pruned['removed'][number]>[] = [
    { title: 'HIVE', cell: (entry) => entry.hive_id },
    { title: 'KIND', cell: (entry) => KINDS[entry.kind] },
    { title: 'SIZE', cell: (entry) => formatBytes(entry.bytes), side: 'right' },
    { title: 'CHANGED', cell: (entry) => entry.modified_at.slice(0, 10) },
    { title: 'PATH', cell: (entry) => entry.path, shrinks: true },
  ];
  const sum = isDryRun
    ? `${formatBytes(freed)} would be freed; nothing was removed\n`
    : `${formatBytes(freed)} freed\n`;
  return table(columns, removed, width) + sum;
}

export function limitText({ hive_id: hive, max_bandwidth: limit }: HiveLimit): string {
  return `${hive}: ${limit === null ? 'unlimited' : `limited to ${formatSpeed(limit)} in total`}\n`;
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
