import { type ErrorCode, RbeeError } from '@rbee/contract/plain';
import type { FileRequest, Location } from './types.ts';

/** How servers respond to an expired address: some deny access, some no longer know it. */
const REFUSAL_CODES: readonly ErrorCode[] = ['MODEL_ACCESS_DENIED', 'MODEL_NOT_FOUND'];

/** The address in use. Signed ones expire, so a refusal is a reason to request a new one, but only once in a row. */
export class Address {
  readonly #locate: FileRequest['locate'];
  #location: Promise<Location> | null = null;
  /** What `current` resolved with last; null once it was refused. */
  #known: Location | null = null;
  #isRenewed = false;

  constructor(locate: FileRequest['locate']) {
    this.#locate = locate;
  }

  /** Single flight: requested once, however many connections need it. */
  current(signal: AbortSignal): Promise<Location> {
    if (this.#location !== null) return this.#location;
    const requested = this.#locate(signal);
    this.#location = requested;
    requested.then(
      (location) => {
        if (this.#location === requested) this.#known = location;
      },
      () => {
        if (this.#location === requested) this.#location = null;
      },
    );
    return requested;
  }

  /** The server accepted the address: its next refusal means that it has expired. */
  accept(): void {
    this.#isRenewed = false;
  }

  /**
   * Whether the error is a refusal that a new address may cure; if so, `current` requests one, unless another connection already has.
   * `used` is the address that was refused.
   */
  renewAfter(error: unknown, used: Location | null): boolean {
    if (!(error instanceof RbeeError) || !REFUSAL_CODES.includes(error.code)) return false;
    const isRenewedByOther = used !== null && used !== this.#known;
    if (isRenewedByOther) return true;
    if (this.#isRenewed) return false;
    this.#isRenewed = true;
    this.#location = null;
    this.#known = null;
    return true;
  }

  /** The next attempt requests the address again. */
  forget(): void {
    this.#location = null;
  }
}
