import { SettingsError } from './read-settings.ts';
import type { ShownValue } from './setting.ts';
import { keyOf, type SettingsOf, type SettingsTable } from './setting.ts';

export interface ReloadDeps<Table extends SettingsTable> {
  readonly table: Table;
  readonly prefix: string;
  /** Reads the settings anew. Throws SettingsError. */
  readonly read: () => SettingsOf<Table>;
  /** What is wrong with settings together, some of which wait for a restart. */
  readonly check: (values: SettingsOf<Table>) => readonly string[];
  /**
   * Reads what settings name beside values, here as they are configured now: files, whose content changes under the
   * same name. null where it is as it was. Puts nothing into force yet. Throws SettingsError.
   */
  readonly readFiles: (configured: SettingsOf<Table>) => Renewal | null;
  /** Applies those that can change while the daemon runs. */
  readonly apply: (changed: Partial<SettingsOf<Table>>) => void | Promise<void>;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
}

/** The new content of files that settings name. */
export interface Renewal {
  /** For the log. */
  readonly shown: Readonly<Record<string, ShownValue>>;
  readonly use: () => void;
}

/**
 * Makes a function that reads the settings again and applies what differs from what was configured before, be it in
 * force or not: a limit that was set over HTTP stays until its configured value changes. Bad settings change nothing, nor
 * do files that cannot be used: everything is read and judged before anything is applied.
 */
export function createReload<Table extends SettingsTable>(
  deps: ReloadDeps<Table>,
  started: SettingsOf<Table>,
): () => Promise<void> {
  let configured = started;
  return async () => {
    try {
      const read = deps.read();
      const { live, needsRestart, next } = compare(deps, configured, read);
      // What was read is right by itself, but the daemon goes on with some of the old beside some of the new.
      const problems = deps.check(next);
      if (problems.length > 0) throw new SettingsError(problems);
      const renewal = deps.readFiles(read);
      await deps.apply(live);
      renewal?.use();
      configured = next;
      const changed = shown(deps, live);
      const isSame = needsRestart.length === 0 && Object.keys(live).length === 0 && renewal === null;
      const fields = { changed, ...(renewal === null ? {} : { renewed: renewal.shown }), needsRestart };
      deps.log.info(fields, isSame ? 'reloaded: the settings are the same' : 'reloaded');
    } catch (error) {
      const fields = error instanceof SettingsError ? { problems: error.problems } : { err: error };
      deps.log.error(fields, 'not reloaded: the settings stay as they were');
    }
  };
}

function compare<Table extends SettingsTable>(
  { table, prefix }: ReloadDeps<Table>,
  before: SettingsOf<Table>,
  after: SettingsOf<Table>,
) {
  const differing = Object.entries(table).filter(([key, { write }]) => write(before[key]) !== write(after[key]));
  const canChange = ([key, { live, needsRestart }]: (typeof differing)[number]) =>
    live && !needsRestart(before[key], after[key]);
  const live = Object.fromEntries(differing.filter(canChange).map(([key]) => [key, after[key]])) as Partial<
    SettingsOf<Table>
  >;
  const needsRestart = differing.filter((entry) => !canChange(entry)).map(([, { env }]) => keyOf(env, prefix));
  // What needs a restart is said again at each reload, until there is one.
  return { live, needsRestart, next: { ...before, ...live } };
}

function shown<Table extends SettingsTable>(
  { table, prefix }: ReloadDeps<Table>,
  live: Partial<SettingsOf<Table>>,
): Record<string, ShownValue> {
  const entries = Object.entries(table).filter(([key]) => Object.hasOwn(live, key));
  return Object.fromEntries(
    entries.map(([key, { env, secret, show }]) => [keyOf(env, prefix), secret ? '(secret)' : show(live[key])]),
  );
}
