/**
 * An id for the requests of one command, found again in the logs of all daemons that had to do with them. Nothing depends
 * on it, and Node's cryptography takes its time to load.
 */
export function newRequestId(): string {
  return `cli-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
}
