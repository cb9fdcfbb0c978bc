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
/** In a narrower terminal the lines wrap by themselves. */
const MIN_TEXT = 20;

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
  const head = `${INDENT}${paint(colour, mark)} ${pad(printable(check), nameWidth)}${INDENT}`;
  const margin = ' '.repeat(textWidth(head));
  const textColumns = width === null ? null : Math.max(MIN_TEXT, width - margin.length - 1);
  const broken = (text: string, less: number) => (textColumns === null ? [text] : wrap(text, textColumns - less));
  const [first = '', ...rest] = broken(sentence(message), 0);
  const advice = hint === undefined ? [] : broken(sentence(hint), 2);
  return [
    head + first,
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
