/** The command line is not understood; the message says what of it. */
export class UsageError extends Error {}
