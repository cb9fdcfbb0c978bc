import type { RangeHead } from '../http/response-head.ts';
import type { Location } from '../types.ts';

/** What one attempt needs from its transfer. */
export interface DownloadHost {
  /** Whether bytes from there fit those that are on disk. */
  isTrusted(location: Location): boolean;
  /**
   * The first response of the attempt is accepted, or one that brings the whole file instead of the range from `requested` on: then
   * everything on disk is discarded.
   */
  begin(location: Location, requested: number, head: RangeHead): Promise<void>;
  onWritten(): void;
  onConnections(connections: number): void;
}

/** The file of an attempt. */
export interface DownloadFile {
  readonly name: string;
  /** Whether a digest is checked at the end. */
  readonly isVerified: boolean;
  readonly limits: {
    /** The most connections to use; lowered for good if the server refuses more. */
    maxConnections: number;
    /** Ranges that could not be used. */
    refusals: number;
  };
}
