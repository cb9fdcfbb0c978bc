import { tlsProblemOf } from '@rbee/contract';

/** What kept one daemon from another, in words for a log and for who asked; with what to do where TLS is the reason. */
export function connectionProblem(error: unknown): { readonly what: string; readonly hint: string | null } {
  if (!(error instanceof Error)) return { what: String(error), hint: null };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const tls = tlsProblemOf(code);
  return tls ?? { what: error.message || code || error.name, hint: null };
}
