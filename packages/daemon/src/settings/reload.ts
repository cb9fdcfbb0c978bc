import { SettingsError } from './read-settings.ts';
import type { ShownValue } from './setting.ts';
import { keyOf, type SettingsOf, type SettingsTable } from './setting.ts';

export interface ReloadDeps<Table extends SettingsTable> {
  readonly table: Table;
  readonly prefix: string;
  /** Reads the settings again. @throws SettingsError */
  readonly read: () => SettingsOf<Table>;
  /** Finds problems of the settings that are in force after a reload, some of which wait for a restart. */
  readonly check: (values: SettingsOf<Table>) => readonly string[];
  /**
   * Reads the files that the new settings name, whose content can change. null if it has not. Applies nothing yet.
   * @throws SettingsError
   */
  readonly readFiles: (configured: SettingsOf<Table>) => Renewal | null;
  /** Applies changed settings to the running daemon. */
  readonly apply: (changed: Partial<SettingsOf<Table>>) => void | Promise<void>;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
}

/** New content of files that settings name. */
export interface Renewal {
  /** What to log. */
  readonly shown: Readonly<Record<string, ShownValue>>;
  readonly use: () => void;
}

/**
 * Returns a function that reads the settings again and applies those whose configured value has changed. A limit that was
 * set over HTTP stays until its configured value changes. Everything is read and checked before anything is applied, so
 * invalid settings or files change nothing.
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
      // The new settings are valid together, but the daemon will run with a mix of old and new ones.
      const problems = deps.check(next);
      if (problems.length > 0) throw new SettingsError(problems);
      const renewal = deps.readFiles(read);
      await deps.apply(live);
      renewal?.use();
      configured = next;
      const changed = shown(deps, live);
      const isSame = needsRestart.length === 0 && Object.keys(live).length === 0 && renewal === null;
      const fields = { changed, ...(renewal === null ? {} : { renewed: renewal.shown }), needsRestart };
      deps.log.info(fields, isSame ? 'reloaded, nothing changed' : 'reloaded');
    } catch (error) {
      const fields = error instanceof SettingsError ? { problems: error.problems } : { err: error };
      deps.log.error(fields, 'not reloaded, settings unchanged');
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
  // Changes that need a restart are reported at every reload until then.
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
