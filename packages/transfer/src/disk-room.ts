const GiB = 2 ** 30;
/** Kept free beside what is fetched: others write to the same disk. */
const reserveShare = 0.05;
const minReserveBytes = GiB;

/** Free bytes that a disk must have before `restBytes` more are fetched to it. */
export function roomNeeded(restBytes: number): number {
  return restBytes === 0 ? 0 : restBytes + Math.max(Math.ceil(restBytes * reserveShare), minReserveBytes);
}
