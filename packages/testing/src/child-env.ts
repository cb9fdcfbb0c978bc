/**
 * What a program needs to run at all; proxies, tokens and settings of the user stay out. The compile cache is shared by all
 * programs of a test run, which halves their start-up time.
 */
const INHERITED = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TMPDIR', 'TZ', 'NODE_COMPILE_CACHE'] as const;

/** The environment of a program under test: the bare minimum and what the test adds. */
export function childEnv(added: Readonly<Record<string, string>> = {}): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return { ...env, ...added };
}
