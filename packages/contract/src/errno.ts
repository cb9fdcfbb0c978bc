/** The `code` of a system, HTTP or TLS error, such as `ENOENT`; null where the value is no error or has none. */
export function errnoOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
