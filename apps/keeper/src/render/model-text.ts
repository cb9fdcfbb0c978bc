import { displayNameOf, displayNames, formatBytes, formatSpeed, type Gguf } from '@rbee/contract';
import type { HiveLimit, HiveModel, HivePlan, VerifiedModel } from '../results.ts';
import { countOf, repoOf, revisionOf, shortModelIds } from './list-text.ts';
import { type Column, type Row, rowsText, table } from './table.ts';
import { printable, shorten } from './text.ts';
import type { TextOptions } from './text-options.ts';

/** The plan of a download: facts, files, totals. */
export function planText(plan: HivePlan, { width }: TextOptions): string {
  const columns: readonly Column<HivePlan['files'][number]>[] = [
    { title: 'FILE', cell: (file) => file.path, least: 20 },
    { title: 'SIZE', cell: (file) => sizeOf(file.bytes), side: 'right', rank: 1 },
    { title: 'ON DISK', cell: (file) => presentText(file.present_bytes), side: 'right', rank: 2 },
  ];
  return [
    rowsText([...(width === null ? refRows(plan) : nameRows(plan, width)), ['gguf', ggufText(plan.gguf)]], width),
    `\n${table(columns, plan.files, width)}\n`,
    `${countOf(plan.files.length, 'file')}, ${sizeOf(plan.total)}; ${sizeOf(plan.needed_bytes)} to download`,
    plan.present_bytes === 0 ? '\n' : `, ${presentText(plan.present_bytes)} on disk\n`,
    `${plan.fits ? 'fits' : 'does not fit'} on ${printable(plan.hive_id)} (${plan.free_bytes === null ? 'free space unknown' : `${formatBytes(plan.free_bytes)} free`})\n`,
  ].join('');
}

const refRows = (plan: HivePlan): Row[] => [
  ['model', plan.model_ref],
  ['pinned', plan.pinned_ref],
  ['hive', plan.hive_id],
];

/** What people need of the two refs. */
function nameRows({ model_ref: ref, pinned_ref: pinned, hive_id: hive }: HivePlan, width: number): Row[] {
  const revision = revisionOf(pinned);
  const fitting = (text: string) => shorten(text, width - NAME_TITLE_COLUMNS);
  return [
    ['model', fitting(displayNameOf(pinned))],
    ['from', fitting(repoOf(ref))],
    ['revision', revision === null ? null : fitting(revision.replace(COMMIT, '$1'))],
    ['hive', fitting(hive)],
  ];
}

const NAME_TITLE_COLUMNS = 'revision  '.length;
/** A commit, of which the first digits are enough. */
const COMMIT = /^([0-9a-f]{7})[0-9a-f]{33}$/;

const presentText = (bytes: number): string => (bytes === 0 ? '' : formatBytes(bytes));

/** The details of one model, with its files. */
export function modelText(model: HiveModel, { width }: TextOptions): string {
  const columns: readonly Column<HiveModel['file_list'][number]>[] = [
    { title: 'FILE', cell: (file) => file.path, least: 20 },
    { title: 'SIZE', cell: (file) => formatBytes(file.bytes), side: 'right', rank: 1 },
    { title: 'SHA256', cell: (file) => file.sha256 ?? '', least: 12, rank: 2 },
  ];
  return [
    rowsText(
      [
        ['model', model.model_id],
        ['ref', model.model_ref],
        ['hive', model.hive_id],
        ['path', model.path],
        ['size', formatBytes(model.bytes)],
        ['gguf', ggufText(model.gguf)],
        ['modified', model.modified_at],
      ],
      width,
    ),
    `\n${table(columns, model.file_list, width)}`,
  ].join('');
}

/** `isRepaired`: damaged files are about to be downloaded again. */
export function verifiedText(models: readonly VerifiedModel[], isRepaired: boolean, options: TextOptions): string {
  if (models.length === 0) return 'no models to verify\n';
  const { width, isWide } = options;
  const nameOf = displayNames(models.map(({ model_ref: ref }) => ref));
  const idOf = isWide ? (id: string) => id : shortModelIds(models.map(({ model_id: id }) => id));
  const columns: readonly Column<VerifiedModel>[] = [
    { title: 'MODEL', cell: (model) => nameOf(model.model_ref), least: 20 },
    { title: 'HIVE', cell: (model) => model.hive_id, least: 8, rank: 1 },
    { title: 'STATE', cell: (model) => (model.ok ? 'ok' : 'damaged') },
    { title: 'SIZE', cell: (model) => formatBytes(model.bytes), side: 'right', rank: 3 },
    { title: 'FILES', cell: (model) => String(model.files), side: 'right', rank: 4 },
    { title: 'ID', cell: (model) => idOf(model.model_id), rank: 2 },
    ...(isWide ? [{ title: 'REF', cell: (model: VerifiedModel) => model.model_ref }] : []),
  ];
  const problems = models.flatMap(({ model_ref: ref, hive_id: hive, problems }) =>
    problems.map(({ path, code, message }) =>
      printableLine(`${nameOf(ref)} on ${hive}: ${path}: ${message} (${code})`),
    ),
  );
  const isToRepair = !isRepaired && models.some((model) => !model.ok);
  const advice = isToRepair ? 'download damaged files again with "rbee-keeper model verify --repair"\n' : '';
  return `${table(columns, models, width)}${problems.join('')}${advice}`;
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
