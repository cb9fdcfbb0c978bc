import type { QueenClient } from '../daemon-client/client.ts';
import type { ListClient } from '../daemon-client/list-client.ts';
import type { Emit } from '../watch-event.ts';

/** What a command that only lists is given. */
export interface ListDeps {
  readonly client: ListClient;
  /** Aborted by the first Ctrl+C. */
  readonly signal: AbortSignal;
}

/** What every other command is given: whom to ask, where its events go, and when to leave. */
export interface CommandDeps extends ListDeps {
  readonly client: QueenClient;
  readonly emit: Emit;
}
