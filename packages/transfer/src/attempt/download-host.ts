import type { RangeHead } from '../http/response-head.ts';
import type { Location, TransferNotice } from '../types.ts';

/** What a download needs from the transfer that it is an attempt of. */
export interface DownloadHost {
  readonly name: string;
  /** Whether a digest is checked at the end. */
  readonly isVerified: boolean;
  /** Connections at most; a server that refuses more lowers it for good. */
  readonly limits: { maxConnections: number };
  locate(): Promise<Location>;
  /** Whether bytes from there may stand beside those that are there. */
  isTrusted(location: Location): boolean;
  /** An answer is accepted. */
  accept(): void;
  /** The first one. Throws away what is there where the file came from its front instead. */
  begin(location: Location, asked: number, head: RangeHead): Promise<void>;
  /** A connection was refused; whether a new address is worth a try. */
  renewAfter(error: unknown, used: Location | null): boolean;
  onWritten(): void;
  onConnections(connections: number): void;
  tell(notice: TransferNotice): void;
}
