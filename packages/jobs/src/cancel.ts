import type { PartialChoice } from '@rbee/contract';

/** Why a job's signal aborted: somebody asked for it, and said what to do with what is on disk. */
export class CancelRequest extends Error {
  override readonly name = 'AbortError';
  readonly partial: PartialChoice;

  constructor(partial: PartialChoice) {
    super('cancelled on request');
    this.partial = partial;
  }
}

/** Why a job's signal aborted: the daemon stops. Nothing is ended by it: the work goes on at the next start. */
export class ShutdownRequest extends Error {
  override readonly name = 'AbortError';

  constructor() {
    super('the daemon is stopping');
  }
}
