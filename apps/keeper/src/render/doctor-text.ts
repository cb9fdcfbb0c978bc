import type { CheckStatus, DoctorCheck } from '@rbee/contract';
import type { FleetReport } from '../results.ts';
import { countOf } from './list-text.ts';
import type { Colour, Paint } from './style.ts';
import { pad, printable, sentence, textWidth, wrap } from './text.ts';

const MARKS: Readonly<Record<CheckStatus, readonly [mark: string, colour: Colour]>> = {
  ok: ['✓', 'green'],
  warning: ['!', 'yellow'],
  failed: ['✗', 'red'],
  skipped: ['-', 'dim'],
};
const INDENT = '  ';
/** Where fewer columns are left beside the name of a check, its text is below. */
const MIN_TEXT = 24;

export interface DoctorTextOptions {
  /** Columns of the terminal; null without one. */
  readonly width: number | null;
  readonly paint: Paint;
}

/** Checks grouped by keeper and hive: a mark, the name, the result, and below it what to do. */
export function doctorText({ keeper, hives }: FleetReport, options: DoctorTextOptions): string {
  const groups = [
    { title: 'keeper', checks: keeper.checks },
    ...hives.map(({ hive_id, checks, error }) => ({
      title: `hive ${printable(hive_id)}`,
      checks: checks ?? [asCheck(error)],
    })),
  ];
  const all = groups.flatMap(({ checks }) => checks);
  const nameWidth = Math.max(...all.map(({ check }) => textWidth(printable(check))));
  const texts = groups.map(({ title, checks }) => {
    return [title, ...checks.flatMap((check) => linesOf(check, nameWidth, options))].join('\n');
  });
  return `${[...texts, summaryOf(all)].join('\n\n')}\n`;
}

function asCheck(error: FleetReport['hives'][number]['error']): DoctorCheck {
  const { message = 'the hive did not respond', hint } = error ?? {};
  return { check: 'hive', status: 'failed', message, ...(hint === undefined ? {} : { hint }), duration_secs: 0 };
}

function linesOf(
  { check, status, message, hint }: DoctorCheck,
  nameWidth: number,
  options: DoctorTextOptions,
): string[] {
  const { width, paint } = options;
  const [mark, colour] = MARKS[status];
  const title = `${INDENT}${paint(colour, mark)} ${pad(printable(check), nameWidth)}${INDENT}`;
  const isBeside = width === null || width - textWidth(title) >= MIN_TEXT;
  const margin = ' '.repeat(isBeside ? textWidth(title) : INDENT.length + 2);
  const broken = (text: string, less: number) =>
    width === null ? [text] : wrap(text, width - 1 - margin.length - less, { breaksWords: true });
  const lines = broken(sentence(message), 0);
  const [first, rest] = isBeside ? [title + (lines[0] ?? ''), lines.slice(1)] : [title.trimEnd(), lines];
  const advice = hint === undefined ? [] : broken(sentence(hint), 2);
  return [
    first,
    ...rest.map((line) => margin + line),
    ...advice.map((line, index) => `${margin}${index === 0 ? '→ ' : '  '}${line}`),
  ];
}

function summaryOf(checks: readonly DoctorCheck[]): string {
  const count = (wanted: CheckStatus) => checks.filter(({ status }) => status === wanted).length;
  const [failed, warnings] = [count('failed'), count('warning')];
  if (failed + warnings === 0) return 'no problems found';
  return [failed > 0 ? `${failed} failed` : '', warnings > 0 ? countOf(warnings, 'warning') : '']
    .filter((part) => part !== '')
    .join(', ');
}
