/** What the configuration of a file server has to know. */
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

/** Seconds that a throttled client is told to wait. */
export const retryAfterSeconds = 1;
/** Of the folder that is served slowly. */
export const slowKibPerSecond = 400;
