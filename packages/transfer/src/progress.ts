import type { TransferState } from './types.ts';

/** The numbers of a transfer; emits each change. */
export class TransferProgress {
  readonly #onState: (state: TransferState) => void;
  #state: TransferState;

  constructor(bytes: number, total: number | null, wasted: number, onState: (state: TransferState) => void) {
    this.#onState = onState;
    this.#state = { phase: 'starting', bytes, total, reused: bytes, wasted, attempt: 1, connections: 0 };
    onState(this.#state);
  }

  get state(): TransferState {
    return this.#state;
  }

  update(change: Partial<TransferState>): void {
    this.#state = { ...this.#state, ...change };
    this.#onState(this.#state);
  }

  /** All bytes on disk were discarded: they count as wasted, and nothing is reused any more. */
  waste(): void {
    const { bytes, wasted } = this.#state;
    if (bytes > 0) this.update({ bytes: 0, reused: 0, wasted: wasted + bytes });
  }
}
