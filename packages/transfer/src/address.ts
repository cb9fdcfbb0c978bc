import { type ErrorCode, RbeeError } from '@rbee/contract';
import type { FileRequest, Location } from './file-request.ts';

/** What a server says to an address that has expired: some deny it, some no longer know it. */
const REFUSAL_CODES: readonly ErrorCode[] = ['MODEL_ACCESS_DENIED', 'MODEL_NOT_FOUND'];

/** The address in use. Signed ones expire, so a refusal is a reason to ask for a new one, but only once in a row. */
export class Address {
  readonly #locate: FileRequest['locate'];
  #location: Promise<Location> | null = null;
  #isRenewed = false;

  constructor(locate: FileRequest['locate']) {
    this.#locate = locate;
  }

  /** Asked for once, however many connections need it. */
  current(signal: AbortSignal): Promise<Location> {
    if (this.#location !== null) return this.#location;
    const asked = this.#locate(signal);
    this.#location = asked;
    asked.catch(() => {
      if (this.#location === asked) this.#location = null;
    });
    return asked;
  }

  /** The server has accepted the address: its next refusal means that it has expired. */
  accept(): void {
    this.#isRenewed = false;
  }

  /** Whether the error is a refusal for which a new address is worth asking for; if so, `current` will ask. */
  renewAfter(error: unknown): boolean {
    if (this.#isRenewed || !(error instanceof RbeeError) || !REFUSAL_CODES.includes(error.code)) return false;
    this.#isRenewed = true;
    this.#location = null;
    return true;
  }

  /** The next attempt asks for the address again. */
  forget(): void {
    this.#location = null;
  }
}
