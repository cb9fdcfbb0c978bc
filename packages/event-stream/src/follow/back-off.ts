const maxExponent = 30;

/** Delays that double from `baseMs` to `maxMs`, times x0.5 to x1.5. */
export interface BackOffRule {
  baseMs: number;
  maxMs: number;
}

/** Whatever the jitter, a peer that drops every connection immediately gets at most five requests in the first 5 s. */
export const defaultBackOff: BackOffRule = { baseMs: 400, maxMs: 5_000 };

/** The delay before the next connection after `failures` (from 1) in a row. */
export function backOffMs(rule: BackOffRule, failures: number, random: () => number): number {
  const exponent = Math.min(failures - 1, maxExponent);
  return Math.min(rule.maxMs, rule.baseMs * 2 ** exponent) * (0.5 + random());
}
