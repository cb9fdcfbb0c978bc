import { createRequire } from 'node:module';
import type { DaemonAddress } from './daemon-client/exchange.ts';
import { KeeperError } from './errors/keeper-error.ts';
import { loadFullProgram } from './full-program.ts';
import type { Io } from './io.ts';
import { DEFAULT_QUEEN_URL } from './keeper-file/queen-address.ts';
import type { CommandDeps, ListDeps } from './operations/command-deps.ts';
import type { Fleet, FleetOptions } from './own-fleet/embedded.ts';
import type { FleetEnv } from './own-fleet/fleet-env.ts';
import type { Renderer } from './render/renderer.ts';
import type { TextOptions } from './render/text-options.ts';
import { type GlobalOptions, isJson, queenSettings } from './settings.ts';

/** One run of one command: its settings, its renderer, and what it opens. */
export interface Session {
  readonly io: Io;
  readonly renderer: Renderer;
  /** For the texts of results. */
  readonly text: TextOptions;
  /** Whether the user has said yes to everything, with `--yes`. */
  readonly isYes: boolean;
  readonly isJson: boolean;
  /** The token of `--token`. */
  readonly givenToken: string | undefined;
  /** Runs `work` with a client that only lists and loads fast. */
  withLists<T>(work: (deps: ListDeps) => Promise<T>): Promise<T>;
  /**
   * Runs `work` with a client for every route of the queen. If no queen was named and none responds, it starts a temporary
   * queen and hive, or uses the hive that owns the store.
   */
  withQueen<T>(work: (deps: CommandDeps) => Promise<T>, options?: QueenOptions): Promise<T>;
  startFleet(env: FleetEnv, options: FleetStart): Promise<Fleet>;
}

interface QueenOptions {
  /** What a temporary queen cannot serve; null if it can serve everything. */
  readonly needsQueen?: string | null;
  /** Whether a temporary hive resumes the downloads of a previous run before one is started. */
  readonly resumes?: boolean;
}

interface FleetStart {
  readonly temporaryState: boolean;
  readonly isBystander?: boolean;
  readonly token: string | null;
  readonly signal: AbortSignal;
}

/** Thrown by the quick program for work that only the full program can do. */
export class FullProgramNeeded extends Error {}

/** The composition root: connects a command to the queen of the settings, over clients that are loaded when needed. */
export function openSession(options: GlobalOptions, io: Io, renderer: Renderer): Session {
  const isWide = options.output === 'wide';
  const withClient = async <T>(
    address: DaemonAddress,
    signal: AbortSignal,
    work: (deps: CommandDeps) => Promise<T>,
  ): Promise<T> => {
    const { createQueenClient } = await import('./daemon-client/client.ts');
    return work({ client: createQueenClient(address), emit: (event) => renderer.event(event), signal });
  };
  /** The queen to use; null if none was named and none is on the default port. */
  const findQueen = async (): Promise<DaemonAddress | null> => {
    const [settings, { chooseQueen, isQueenThere }] = await Promise.all([
      queenSettings(options, io.env),
      import('./daemon-client/queen-probe.ts'),
    ]);
    if (settings.named && settings.exposedFile !== null)
      renderer.note(`warning: other users can read the tokens in ${settings.exposedFile}: run "chmod 600" on it`);
    if (settings.named) return chooseQueen(settings);
    const address = { url: settings.urls[0], token: settings.token };
    return (await isQueenThere(address)) ? address : null;
  };
  /** The work also aborts when one of the two daemons exits by itself. */
  const withTemporaryFleet = async <T>(fleet: Fleet, work: (deps: CommandDeps) => Promise<T>): Promise<T> => {
    try {
      renderer.note(
        fleet.isOwn
          ? `no queen is running: started a temporary queen and hive (models in ${fleet.modelsDir})`
          : `no queen is running: using the hive that runs already (models in ${fleet.modelsDir})`,
      );
      const gone = new AbortController();
      void fleet.failed.then((error) => gone.abort(error));
      const signal = AbortSignal.any([io.interrupt, gone.signal]);
      return await withClient({ url: fleet.queenUrl, token: fleet.token }, signal, work);
    } finally {
      await fleet.stop();
    }
  };
  const programs = (): Pick<FleetOptions, 'bins' | 'onTrouble' | 'onLeave'> => ({
    bins: { queen: binOf('rbee-queen/bin'), hive: binOf('rbee-hive/bin') },
    onTrouble: (daemon, message) => renderer.note(`${daemon}: ${message}`),
    onLeave: io.onLeave,
  });
  return {
    io,
    renderer,
    isYes: options.yes === true,
    isJson: isJson(options),
    givenToken: options.token,
    text: { width: io.stdout.isTTY && !isWide ? (io.stdout.columns ?? null) : null, isWide, now: io.now() },
    async withLists(work) {
      const queen = await findQueen();
      if (queen === null) {
        // The quick program cannot start daemons.
        if (loadFullProgram !== null) throw new FullProgramNeeded();
        return this.withQueen(work);
      }
      const { createListClient } = await import('./daemon-client/list-client.ts');
      return work({ client: createListClient(queen), signal: io.interrupt });
    },
    async withQueen(work, { needsQueen = null, resumes = false } = {}) {
      const queen = await findQueen();
      if (queen !== null) return withClient(queen, io.interrupt, work);
      if (needsQueen !== null) {
        throw new KeeperError('QUEEN_UNREACHABLE', `no queen at ${DEFAULT_QUEEN_URL}, and ${needsQueen} needs one`, {
          hint: 'start one with "rbee-keeper up", or name another with --queen or RBEE_QUEEN_URL',
        });
      }
      const [{ embeddedEnv }, { openFleet }] = await Promise.all([
        import('./own-fleet/fleet-env.ts'),
        import('./own-fleet/open-fleet.ts'),
      ]);
      const { token } = await queenSettings(options, io.env);
      const start = { temporaryState: true, isBystander: !resumes, token, signal: io.interrupt };
      return withTemporaryFleet(await openFleet({ ...start, ...embeddedEnv(io.env), ...programs() }), work);
    },
    async startFleet(env, start) {
      const { startFleet } = await import('./own-fleet/embedded.ts');
      return startFleet({ ...start, ...env, ...programs() });
    },
  };
}

const binOf = (specifier: string): string => createRequire(import.meta.url).resolve(specifier);
