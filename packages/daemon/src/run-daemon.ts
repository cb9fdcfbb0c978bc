import { bindProblem } from './access.ts';
import { helpText } from './help.ts';
import type { Logger } from './logger.ts';
import { readSettings, SettingsError, type SettingsOf, type SettingsTable } from './settings.ts';
import { endOnSignal } from './shutdown.ts';
import { type TlsFiles, tlsProblems } from './tls.ts';

/** EX_CONFIG of sysexits.h: bad settings, nothing was started. */
const EXIT_BAD_SETTINGS = 78;
const EXIT_CANNOT_START = 1;

/** A daemon that listens. */
export interface Running {
  readonly url: string;
  readonly logger: Logger;
  /** Ends everything the daemon opened. */
  readonly close: () => Promise<void>;
}

export interface DaemonDefinition<Table extends SettingsTable> {
  readonly program: string;
  readonly purpose: string;
  readonly version: string;
  readonly prefix: string;
  readonly table: Table;
  readonly start: (settings: SettingsOf<Table>) => Promise<Running>;
}

interface Common extends TlsFiles {
  readonly host: string;
  readonly apiToken: string | null;
}

/** The life of a daemon's process: settings, start, the `listening` line, and the end on a signal. */
export async function runDaemon<Table extends SettingsTable>(
  definition: DaemonDefinition<Table>,
  process: NodeJS.Process,
): Promise<void> {
  const { program, purpose, version, prefix, table } = definition;
  try {
    const input = { argv: process.argv.slice(2), env: process.env, prefix };
    const invocation = readSettings(table, input, (values) => {
      const { host, apiToken = null, ...tls } = values as Partial<Common>;
      const bind = host === undefined ? null : bindProblem(host, apiToken);
      return [...(bind === null ? [] : [bind]), ...tlsProblems(tls)];
    });
    if (invocation.kind === 'help') return void process.stdout.write(helpText(program, purpose, table, prefix));
    if (invocation.kind === 'version') return void process.stdout.write(`${program} ${version}\n`);
    const running = await definition.start(invocation.settings);
    endOnSignal({ drain: running.close, log: running.logger, exit: (code) => process.exit(code) });
    running.logger.info({ url: running.url, version }, 'listening');
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${program}: ${message}\n`);
    process.exitCode = error instanceof SettingsError ? EXIT_BAD_SETTINGS : EXIT_CANNOT_START;
  }
}
