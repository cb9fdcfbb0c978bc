import { type ErrorCode, RbeeError } from '@rbee/contract/plain';
import type { FileRequest, Location } from './types.ts';

/** What a server says to an address that has expired: some deny it, some no longer know it. */
const REFUSAL_CODES: readonly ErrorCode[] = ['MODEL_ACCESS_DENIED', 'MODEL_NOT_FOUND'];

/** The address in use. Signed ones expire, so a refusal is a reason to ask for a new one, but only once in a row. */
export class Address {
  readonly #locate: FileRequest['locate'];
  #location: Promise<Location> | null = null;
  /** What `current` has answered last; null once that has been refused. */
  #known: Location | null = null;
  #isRenewed = false;

  constructor(locate: FileRequest['locate']) {
    this.#locate = locate;
  }

  /** Asked for once, however many connections need it. */
  current(signal: AbortSignal): Promise<Location> {
    if (this.#location !== null) return this.#location;
    const asked = this.#locate(signal);
    this.#location = asked;
    asked.then(
      (location) => {
        if (this.#location === asked) this.#known = location;
      },
      () => {
        if (this.#location === asked) this.#location = null;
      },
    );
    return asked;
  }

  /** The server has accepted the address: its next refusal means that it has expired. */
  accept(): void {
    this.#isRenewed = false;
  }

  /**
   * Whether the error is a refusal for which a new address is worth asking for; if so, `current` will ask, or has asked
   * meanwhile for another connection. `used` is what was refused.
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

  /** The next attempt asks for the address again. */
  forget(): void {
    this.#location = null;
  }
}
