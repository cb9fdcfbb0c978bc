import { type Column, markdownTable } from './table.ts';

/** A target and the value that was measured. */
export interface Verdict {
  readonly text: string;
  /** null: not measured. */
  readonly value: number | null;
  readonly isMet: boolean | null;
}

export const atLeast = (what: string, limit: number, value: number | null): Verdict => ({
  text: `${what}: at least ${limit}`,
  value,
  isMet: value === null ? null : value >= limit,
});

export const atMost = (what: string, limit: number, value: number | null): Verdict => ({
  text: `${what}: at most ${limit}`,
  value,
  isMet: value === null ? null : value <= limit,
});

const columns: readonly Column[] = [
  { title: 'target', align: 'left' },
  { title: 'measured', align: 'right' },
  { title: '', align: 'left' },
];

export function verdictTable(verdicts: readonly Verdict[]): string {
  const met = (isMet: boolean | null): string => (isMet === null ? 'not measured' : isMet ? 'met' : 'MISSED');
  return markdownTable(
    columns,
    verdicts.map(({ text, value, isMet }) => [text, value === null ? '-' : value.toFixed(2), met(isMet)]),
  );
}

/**
 * What the gate objects to in a scenario, a line each. What could not run for lack of a program counts; a target whose peer
 * was not asked for does not.
 */
export function failuresOf(scenario: string, missing: readonly string[], verdicts: readonly Verdict[]): string[] {
  const missed = verdicts
    .filter(({ isMet }) => isMet === false)
    .map(({ text, value }) => `${text}, measured ${value?.toFixed(2)}`);
  return [...missing, ...missed].map((text) => `${scenario}: ${text}`);
}
