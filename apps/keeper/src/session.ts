import { createRequire } from 'node:module';
import { KeeperError } from './errors/keeper-error.ts';
import type { Io } from './io.ts';
import type { CommandDeps, ListDeps } from './operations/command-deps.ts';
import type { Fleet, FleetOptions } from './own-fleet/embedded.ts';
import type { FleetEnv } from './own-fleet/fleet-env.ts';
import type { Renderer } from './render/renderer.ts';
import type { TextOptions } from './render/text-options.ts';
import type { GlobalOptions, QueenSettings } from './settings.ts';

/** One run of one command: its settings, its renderer, and what it opens. */
export interface Session {
  readonly io: Io;
  readonly renderer: Renderer;
  /** For the texts of results. */
  readonly text: TextOptions;
  /** Whether the user has said yes to everything, with `--yes`. */
  readonly isYes: boolean;
  /** Runs `work` with a client that only lists and loads fast. */
  withLists<T>(work: (deps: ListDeps) => Promise<T>): Promise<T>;
  /** Runs `work` with a client for every route of the queen. */
  withQueen<T>(work: (deps: CommandDeps) => Promise<T>): Promise<T>;
  /** The same, but starts a temporary queen and hive if no queen was named and none responds. */
  withAnyQueen<T>(options: AnyQueenOptions, work: (deps: CommandDeps) => Promise<T>): Promise<T>;
  startFleet(env: FleetEnv, options: FleetStart): Promise<Fleet>;
}

interface AnyQueenOptions {
  /** The option that a temporary queen cannot serve; null if there is none. */
  readonly needsQueen: string | null;
  /** Whether a temporary hive must not resume the downloads of a previous run. */
  readonly isBystander?: boolean;
}

interface FleetStart {
  readonly temporaryState: boolean;
  readonly isBystander?: boolean;
  readonly token: string | null;
  readonly signal: AbortSignal;
}

/** The composition root: connects a command to the queen of the settings, over clients that are loaded when needed. */
export function openSession(
  settings: QueenSettings,
  io: Io,
  renderer: Renderer,
  { output, yes = false }: Pick<GlobalOptions, 'output' | 'yes'>,
): Session {
  const isWide = output === 'wide';
  const withClient = async <T>(
    address: Pick<QueenSettings, 'url' | 'token'>,
    signal: AbortSignal,
    work: (deps: CommandDeps) => Promise<T>,
  ): Promise<T> => {
    const { createQueenClient } = await import('./daemon-client/client.ts');
    return work({ client: createQueenClient(address), emit: (event) => renderer.event(event), signal });
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
    isYes: yes,
    text: { width: io.stdout.isTTY && !isWide ? (io.stdout.columns ?? null) : null, isWide, now: io.now() },
    async withLists(work) {
      const { createListClient } = await import('./daemon-client/list-client.ts');
      return work({ client: createListClient(settings), signal: io.interrupt });
    },
    withQueen: (work) => withClient(settings, io.interrupt, work),
    async withAnyQueen({ needsQueen, isBystander = false }, work) {
      const { isQueenThere } = await import('./daemon-client/queen-probe.ts');
      if (settings.named || (await isQueenThere(settings))) return this.withQueen(work);
      if (needsQueen !== null) {
        throw new KeeperError('QUEEN_UNREACHABLE', `no queen at ${settings.url}, and ${needsQueen} needs one`, {
          hint: 'start one with "rbee-keeper up", or name another with --queen or RBEE_QUEEN_URL',
        });
      }
      const [{ embeddedEnv }, { openFleet }] = await Promise.all([
        import('./own-fleet/fleet-env.ts'),
        import('./own-fleet/open-fleet.ts'),
      ]);
      const start = { temporaryState: true, isBystander, token: settings.token, signal: io.interrupt };
      return withTemporaryFleet(await openFleet({ ...start, ...embeddedEnv(io.env), ...programs() }), work);
    },
    async startFleet(env, start) {
      const { startFleet } = await import('./own-fleet/embedded.ts');
      return startFleet({ ...start, ...env, ...programs() });
    },
  };
}

const binOf = (specifier: string): string => createRequire(import.meta.url).resolve(specifier);
