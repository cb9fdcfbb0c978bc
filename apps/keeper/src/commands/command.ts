import type { QueenClient } from '../daemon-client/client.ts';
import type { Emit } from '../watch-event.ts';

/** What every command is given: whom to ask, where its events go, and when to leave. */
export interface CommandDeps {
  readonly client: QueenClient;
  readonly emit: Emit;
  /** Aborted by the first Ctrl+C. */
  readonly signal: AbortSignal;
}
