import type { Download, Hive, Model, QueenInfo } from '@rbee/contract';

// What commands answer, in the shapes that `--json` prints.

/** A model, and the hive whose store it is in. */
export type ListedModel = { readonly hive_id: string } & Model;

export interface DownloadListing {
  readonly downloads: readonly Download[];
  /** Whether there are older ones than these. */
  readonly more: boolean;
}

export interface FleetStatus {
  readonly queen: QueenInfo & { readonly queen_url: string };
  readonly hives: readonly Hive[];
  /** Those that have not ended. */
  readonly downloads: readonly Download[];
}

/** How many downloads were taken out of the history. */
export interface Removed {
  readonly removed: number;
}

/** Where the parts of a fleet are. */
export interface FleetPlaces {
  readonly queen_url: string;
  readonly hive_url: string;
  readonly hive_id: string;
  readonly models_dir: string;
}
