/** What a program needs to run at all; proxies, tokens and settings of whoever runs the tests stay out. */
const INHERITED = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TMPDIR', 'TZ'] as const;

/** The environment of a program under test: the bare minimum and what the test adds. */
export function childEnv(added: Readonly<Record<string, string>> = {}): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return { ...env, ...added };
}
