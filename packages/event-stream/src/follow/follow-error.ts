/** Following ended for good: a final status, a response that is not an event stream, events too large, or no attempts left. */
export class FollowError extends Error {
  override readonly name = 'FollowError';
  /** The HTTP status that caused it, null when none did. */
  readonly status: number | null;
  /** The body of that response, cut at 64 KiB. */
  readonly body: string | null;

  constructor(message: string, status: number | null, body: string | null) {
    super(message);
    this.status = status;
    this.body = body;
  }
}
