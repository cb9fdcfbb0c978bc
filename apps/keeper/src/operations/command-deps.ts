import type { QueenClient } from '../daemon-client/client.ts';
import type { ListClient } from '../daemon-client/list-client.ts';
import type { Emit } from '../watch-event.ts';

/** The dependencies of a command that only lists. */
export interface ListDeps {
  readonly client: ListClient;
  /** Aborted by the first Ctrl+C. */
  readonly signal: AbortSignal;
}

/** The dependencies of every other command. */
export interface CommandDeps extends ListDeps {
  readonly client: QueenClient;
  readonly emit: Emit;
}
