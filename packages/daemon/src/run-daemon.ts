import { rmSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { RbeeError } from '@rbee/contract';
import type { Logger } from './logging/logger.ts';
import { type Parent, watchParent } from './parent/parent.ts';
import { bindProblem } from './server/access.ts';
import { readRenewal, type ServedTls } from './server/served-tls.ts';
import { type TlsFiles, tlsProblems } from './server/tls.ts';
import { createServiceManager, type ServiceManager } from './service-manager.ts';
import { helpText } from './settings/help.ts';
import { printConfig } from './settings/print-config.ts';
import { type Invocation, readSettings, SettingsError } from './settings/read-settings.ts';
import { createReload } from './settings/reload.ts';
import type { SettingsOf, SettingsTable } from './settings/setting.ts';
import { onSignals } from './shutdown.ts';

/** EX_CONFIG of sysexits.h. */
const EXIT_BAD_SETTINGS = 78;
const EXIT_CANNOT_START = 1;

/** A running daemon. */
export interface Running<Table extends SettingsTable> {
  readonly url: string;
  readonly logger: Logger;
  /** null = plain HTTP. */
  readonly tls: ServedTls | null;
  /** Applies changed settings; only those that the table marks as live. */
  readonly apply: (changed: Partial<SettingsOf<Table>>) => void | Promise<void>;
  /** Closes everything the daemon opened. */
  readonly close: () => Promise<void>;
}

/** A daemon program: its names, its settings, and how to start it. */
export interface DaemonDefinition<Table extends SettingsTable> {
  readonly program: string;
  readonly purpose: string;
  readonly version: string;
  readonly prefix: string;
  readonly table: Table;
  readonly start: (settings: SettingsOf<Table>, parent: Parent | null) => Promise<Running<Table>>;
}

interface Common extends TlsFiles {
  readonly host: string;
  readonly apiToken: string | null;
}

/** What the channel to the parent holds by now, such as its end, is heard: between two turns of the loop it is read. */
async function channelRead(): Promise<void> {
  await turn();
  await turn();
}

/** Runs a daemon's process: reads settings, starts, logs `listening`, reloads on SIGHUP, and stops on a signal. */
export async function runDaemon<Table extends SettingsTable>(
  definition: DaemonDefinition<Table>,
  process: NodeJS.Process,
): Promise<void> {
  const { program, purpose, version, prefix, table } = definition;
  const read = () => readInvocation(definition, process);
  // First of all: until it runs there is nothing to drain, and nobody would stop it later.
  const parent = watchParent(process);
  parent?.onGone(() => leave(process, parent, EXIT_CANNOT_START));
  try {
    const invocation = read();
    switch (invocation.kind) {
      case 'help':
        return void process.stdout.write(helpText(program, purpose, table, prefix));
      case 'version':
        return void process.stdout.write(`${program} ${version}\n`);
      case 'print':
        process.stdout.write(printConfig(program, table, invocation.found, prefix));
        if (invocation.found.problems.length > 0) throw new SettingsError(invocation.found.problems);
        return;
    }
    if (parent !== null) await channelRead();
    const running = await definition.start(invocation.settings, parent);
    const manager = createServiceManager(process.env, running.logger);
    handleSignals({ definition, process, parent, running, manager, started: invocation.settings });
    // At every level: programs wait for this line, and port 0 is known only from it.
    running.logger.child({}, { level: 'info' }).info({ url: running.url, version }, 'listening');
    await manager.ready();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${program}: ${message}\n`);
    process.exitCode = error instanceof SettingsError ? EXIT_BAD_SETTINGS : EXIT_CANNOT_START;
    parent?.fail(message, error instanceof RbeeError ? (error.details ?? null) : null);
  }
}

interface Lifecycle<Table extends SettingsTable> {
  readonly definition: DaemonDefinition<Table>;
  readonly process: NodeJS.Process;
  readonly parent: Parent | null;
  readonly running: Running<Table>;
  readonly manager: ServiceManager;
  readonly started: SettingsOf<Table>;
}

/** Reloads and stops on signals from now on. */
function handleSignals<Table extends SettingsTable>({
  definition,
  process,
  parent,
  running,
  manager,
  started,
}: Lifecycle<Table>): void {
  const { table, prefix } = definition;
  const read = () => {
    const invocation = readInvocation(definition, process);
    if (invocation.kind !== 'run') throw new Error('the command line of a running daemon cannot change');
    return invocation.settings;
  };
  const { apply, logger: log, tls } = running;
  const readFiles = (values: object) => (tls === null ? null : readRenewal(tls, values as Common));
  const reload = createReload({ table, prefix, read, check: bindProblems, readFiles, apply, log }, started);
  let reloads = Promise.resolve();
  onSignals({
    // The notification runs during the drain; the process waits for both.
    drain: async () => void (await Promise.all([manager.stopping(), running.close()])),
    reload: () => {
      reloads = reloads.then(async () => {
        await manager.reloading();
        await reload();
        await manager.ready();
      });
    },
    log: running.logger,
    parent,
    exit: (code) => leave(process, parent, code),
  });
}

/** Exits, and leaves nothing that was of this run only. */
function leave(process: NodeJS.Process, parent: Parent | null, code: number): void {
  const folder = parent?.temporaryFolder ?? null;
  try {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  } finally {
    process.exit(code);
  }
}

function readInvocation<Table extends SettingsTable>(
  { table, prefix }: DaemonDefinition<Table>,
  process: NodeJS.Process,
): Invocation<Table> {
  return readSettings(table, { argv: process.argv.slice(2), env: process.env, prefix }, (values) => [
    ...bindProblems(values),
    ...tlsProblems(values as Partial<Common>),
  ]);
}

function bindProblems(values: object): readonly string[] {
  const { host, apiToken = null } = values as Partial<Common>;
  const problem = host === undefined ? null : bindProblem(host, apiToken);
  return problem === null ? [] : [problem];
}
