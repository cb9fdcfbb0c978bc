/** A queen that the user has stored. */
export interface KeptQueen {
  readonly url: string;
  readonly token: string | null;
}

/** The keeper's own settings. */
export interface KeeperFile {
  readonly path: string;
  /** Whether it has a token that other users of this machine can read. */
  readonly isExposed: boolean;
  /** The name of the queen to use if none is given. */
  readonly defaultName: string | null;
  readonly queens: ReadonlyMap<string, KeptQueen>;
}
