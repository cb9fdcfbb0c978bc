import type { PartialChoice } from '@rbee/contract';

/** Why a job's signal aborted: a cancel request, with the choice of what to do with the partial. */
export class CancelRequest extends Error {
  override readonly name = 'AbortError';
  readonly partial: PartialChoice;

  constructor(partial: PartialChoice) {
    super('cancelled on request');
    this.partial = partial;
  }
}

/** Why a job's signal aborted: the daemon stops. It ends no job: the work resumes at the next start. */
export class ShutdownRequest extends Error {
  override readonly name = 'AbortError';

  constructor() {
    super('the daemon is stopping');
  }
}
