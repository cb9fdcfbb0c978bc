import { createRequire } from 'node:module';
import type { CommandDeps, ListDeps } from './commands/command-deps.ts';
import { KeeperError } from './errors/keeper-error.ts';
import type { Fleet } from './own-fleet/embedded.ts';
import type { FleetEnv } from './own-fleet/fleet-env.ts';
import type { Display, Renderer } from './render/renderer.ts';
import type { GlobalOptions, QueenSettings } from './settings.ts';

/** A queen on this machine answers at once; one that does not within this time is not there. */
const PROBE_TIMEOUT_MS = 1_500;

/** What is drawn as bars where there is a terminal for them. */
const DRAWN: readonly Display[] = ['download', 'watch', 'fleet'];

interface TerminalStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** Everything outside the program that it touches. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: TerminalStream;
  readonly stderr: TerminalStream;
  /** Aborted by the first Ctrl+C or SIGTERM. */
  readonly interrupt: AbortSignal;
  /** Registers what is to be done when the program leaves at once, without waiting; the answer takes it back. */
  onLeave(cleanUp: () => void): () => void;
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

/** One run of one command: its settings, its renderer, and what it opens. */
export interface Session {
  readonly io: Io;
  readonly renderer: Renderer;
  /** For texts of answers. */
  readonly text: { readonly width: number | null; readonly now: number };
  /** Runs `work` with a client of the queen that the settings name, which only lists and is there at once. */
  withLists<T>(work: (deps: ListDeps) => Promise<T>): Promise<T>;
  /** Runs `work` with a client of that queen which can do everything. */
  withQueen<T>(work: (deps: CommandDeps) => Promise<T>): Promise<T>;
  /** The same; where no queen was named and none answers, with a queen and a hive of the keeper's own. */
  withAnyQueen<T>(options: AnyQueenOptions, work: (deps: CommandDeps) => Promise<T>): Promise<T>;
  startFleet(env: FleetEnv, options: FleetStart): Promise<Fleet>;
}

interface AnyQueenOptions {
  /** Why a queen of the keeper's own would not do: "--detach needs a queen that stays". Null where it would. */
  readonly needsQueen: string | null;
  /** Whether a hive of the keeper's own shall take nothing up that an earlier one left under way. */
  readonly isBystander?: boolean;
}

interface FleetStart {
  readonly temporaryState: boolean;
  readonly isBystander?: boolean;
  readonly token: string | null;
  readonly signal: AbortSignal;
}

export function openSession(settings: QueenSettings, io: Io, renderer: Renderer): Session {
  const session: Session = {
    io,
    renderer,
    text: { width: io.stdout.isTTY ? (io.stdout.columns ?? null) : null, now: io.now() },
    async withLists(work) {
      const { createListClient } = await import('./daemon-client/list-client.ts');
      return work({ client: createListClient(settings), signal: io.interrupt });
    },
    withQueen: (work) => withClient(settings, renderer, io.interrupt, work),
    async withAnyQueen({ needsQueen, isBystander = false }, work) {
      if (settings.named || (await isQueenThere(settings))) return this.withQueen(work);
      if (needsQueen !== null) {
        throw new KeeperError('QUEEN_UNREACHABLE', `no queen answers at ${settings.url}, and ${needsQueen}`, {
          hint: 'start one with "rbee-keeper up", or name another with --queen or RBEE_QUEEN_URL',
        });
      }
      return withOwnFleet(session, isBystander, work);
    },
    async startFleet({ env, queenEnv, hiveEnv }, start) {
      const { startFleet } = await import('./own-fleet/embedded.ts');
      return startFleet({
        ...start,
        env,
        queenEnv,
        hiveEnv,
        bins: { queen: binOf('rbee-queen/bin'), hive: binOf('rbee-hive/bin') },
        onTrouble: (daemon, message) => renderer.note(`${daemon}: ${message}`),
        onLeave: io.onLeave,
      });
    },
  };
  return session;
}

const binOf = (specifier: string): string => createRequire(import.meta.url).resolve(specifier);

/** The renderer that the options and the terminal ask for. */
export async function createRenderer({ json, quiet }: GlobalOptions, io: Io, display: Display): Promise<Renderer> {
  const { stdout, stderr, env } = io;
  if (json) {
    const { createJsonRenderer } = await import('./render/json.ts');
    return createJsonRenderer(stdout, stderr, quiet === true);
  }
  const { paintFor } = await import('./render/style.ts');
  const paint = paintFor({ isTerminal: stderr.isTTY === true, env });
  if (DRAWN.includes(display) && stderr.isTTY && !quiet && env.TERM !== 'dumb') {
    const { createBarsRenderer } = await import('./render/bars/bars.ts');
    return createBarsRenderer({ stdout, terminal: stderr, paint, now: io.now, isFleet: display === 'fleet' });
  }
  const { createLinesRenderer } = await import('./render/lines.ts');
  return createLinesRenderer({ stdout, stderr, paint, display, isQuiet: quiet === true });
}

async function isQueenThere(settings: QueenSettings): Promise<boolean> {
  const { answers } = await import('./daemon-client/exchange.ts');
  return answers({ ...settings, daemon: 'queen' }, PROBE_TIMEOUT_MS);
}

async function withClient<T>(
  settings: Pick<QueenSettings, 'url' | 'token'>,
  renderer: Renderer,
  signal: AbortSignal,
  work: (deps: CommandDeps) => Promise<T>,
): Promise<T> {
  const { createQueenClient } = await import('./daemon-client/client.ts');
  return work({ client: createQueenClient(settings), emit: (event) => renderer.event(event), signal });
}

/** The embedded default: it lives as long as the work. The work is told when one of the two ends by itself. */
async function withOwnFleet<T>(
  session: Session,
  isBystander: boolean,
  work: (deps: CommandDeps) => Promise<T>,
): Promise<T> {
  const { embeddedEnv } = await import('./own-fleet/fleet-env.ts');
  const { io, renderer } = session;
  const fleet = await session.startFleet(embeddedEnv(io.env), {
    temporaryState: true,
    isBystander,
    token: null,
    signal: io.interrupt,
  });
  try {
    renderer.note(`no queen is running: using a queen and a hive of my own (models in ${fleet.modelsDir})`);
    const gone = new AbortController();
    void fleet.failed.then((error) => gone.abort(error));
    const signal = AbortSignal.any([io.interrupt, gone.signal]);
    return await withClient({ url: fleet.queenUrl, token: null }, renderer, signal, work);
  } finally {
    await fleet.stop();
  }
}
