/** The parameters of a file server's configuration. */
export interface FileServerSetup {
  /** Where the server may write. */
  readonly folder: string;
  /** Where the files are. */
  readonly root: string;
  readonly port: number;
  readonly tlsPort: number;
  readonly certificate: { readonly certificateFile: string; readonly keyFile: string };
  readonly isRoot: boolean;
  /** null: no limit. */
  readonly requestsAtOnce: number | null;
}

/** Seconds in `Retry-After` for a throttled client. */
export const retryAfterSeconds = 1;
/** The speed of the slow folder. */
export const slowKibPerSecond = 400;
