/** The `code` of a system, HTTP or TLS error, such as `ENOENT`; null if there is none. */
export function errnoOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
