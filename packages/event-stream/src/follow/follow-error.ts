/** Following ended for good: a final status, a stream that is none, an event too large, or all attempts used up. */
export class FollowError extends Error {
  override readonly name = 'FollowError';
  /** The HTTP status that decided it, null when none did. */
  readonly status: number | null;
  /** What came with that status, cut at 64 KiB. */
  readonly body: string | null;

  constructor(message: string, status: number | null, body: string | null) {
    super(message);
    this.status = status;
    this.body = body;
  }
}
