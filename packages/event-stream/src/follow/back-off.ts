const maxExponent = 30;
const httpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Delays that double from `baseMs` to `maxMs`, times x0.5 to x1.5. */
export interface BackOffRule {
  baseMs: number;
  maxMs: number;
}

/** However the jitter falls, a peer that loses every connection at once is asked five times in the first 5 s at most. */
export const defaultBackOff: BackOffRule = { baseMs: 400, maxMs: 5_000 };

/** The delay before the next connection after `failures` (from 1) in a row. */
export function backOffMs(rule: BackOffRule, failures: number, random: () => number): number {
  const exponent = Math.min(failures - 1, maxExponent);
  return Math.min(rule.maxMs, rule.baseMs * 2 ** exponent) * (0.5 + random());
}

/** Reads a `Retry-After` in seconds or as a date; 0 when there is none or it makes no sense. */
export function parseRetryAfterMs(value: string | null, nowMs: number): number {
  if (value === null) return 0;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  // Date.parse takes nearly anything for a date.
  const date = httpDate.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? 0 : Math.max(0, date - nowMs);
}
