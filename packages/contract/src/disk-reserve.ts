const GiB = 2 ** 30;
/** Kept free in addition to a download: others write to the same disk. */
const RESERVE_SHARE = 0.05;
const MIN_RESERVE_BYTES = GiB;

/** Free bytes that a disk needs before `restBytes` are downloaded to it. */
export function spaceNeeded(restBytes: number): number {
  return restBytes === 0 ? 0 : restBytes + Math.max(Math.ceil(restBytes * RESERVE_SHARE), MIN_RESERVE_BYTES);
}
