import type {
  DoctorCheck,
  Download,
  FleetDoctor,
  FoundModel,
  Hive,
  KeptFile,
  Model,
  ModelDetail,
  ModelPlan,
  ModelRemoved,
  ModelsPruned,
  ModelVerified,
  PartialFile,
  QueenInfo,
  StoreProblem,
} from '@rbee/contract';

// The results of commands, in the shape that `--json` prints.

/** The hive that something belongs to. */
export interface OfHive {
  readonly hive_id: string;
}

/** A model in the store of a hive. */
export type ListedModel = OfHive & Model;
export type ListedPartial = OfHive & PartialFile;
/** Something unreadable in a store; without a path the hive itself did not respond. */
export type ListedProblem = OfHive & Omit<StoreProblem, 'path'> & { readonly path: string | null };

/** The contents of the hives' stores. */
export interface ModelListing {
  readonly models: readonly ListedModel[];
  readonly partials: readonly ListedPartial[];
  readonly problems: readonly ListedProblem[];
}

export type HivePlan = OfHive & ModelPlan;
export type HiveModel = OfHive & ModelDetail;
export type HiveRemoved = OfHive & ModelRemoved;
/** The result of verifying one model on one hive. */
export type VerifiedModel = OfHive & ModelVerified['models'][number];

/** Models of the hub. */
export interface SearchResult {
  readonly words: string;
  readonly models: readonly FoundModel[];
}

export interface DownloadListing {
  readonly downloads: readonly Download[];
  /** Whether there are older downloads. */
  readonly more: boolean;
}

export interface FleetStatus {
  readonly queen: QueenInfo & { readonly queen_url: string };
  readonly hives: readonly Hive[];
  /** The downloads that have not ended. */
  readonly downloads: readonly Download[];
}

/** A file that is removed from a store, or would be. */
export type PrunedEntry = OfHive & ModelsPruned['removed'][number];

/** A partial file that was removed. */
export type RemovedPartial = PrunedEntry & { readonly origin: string };

export interface Pruned {
  readonly dry_run: boolean;
  readonly freed_bytes: number;
  readonly removed: readonly PrunedEntry[];
  /** Partials that stay, and why. */
  readonly kept: readonly (OfHive & KeptFile)[];
}

/** The current bandwidth limit of a hive. */
export interface HiveLimit extends OfHive {
  /** Bytes per second; null is unlimited. */
  readonly max_bandwidth: number | null;
}

/** The number of downloads removed from the history. */
export interface Removed {
  readonly removed: number;
}

/** The checks of the keeper and of the hives. */
export interface FleetReport {
  readonly queen_url: string;
  readonly keeper: { readonly checks: readonly DoctorCheck[] };
  readonly hives: FleetDoctor['hives'];
}

/** The addresses and the models folder of a fleet. */
export interface FleetPlaces {
  readonly queen_url: string;
  readonly hive_url: string;
  readonly hive_id: string;
  readonly models_dir: string;
}
