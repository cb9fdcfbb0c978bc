import type {
  DoctorCheck,
  Download,
  FleetDoctor,
  Hive,
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

// What commands answer, in the shapes that `--json` prints.

/** Which hive something belongs to. */
export interface OfHive {
  readonly hive_id: string;
}

/** A model, and the hive whose store it is in. */
export type ListedModel = OfHive & Model;
export type ListedPartial = OfHive & PartialFile;
/** Something that cannot be read in a store; with no path a hive that could not be asked. */
export type ListedProblem = OfHive & Omit<StoreProblem, 'path'> & { readonly path: string | null };

/** What the hives hold. */
export interface ModelListing {
  readonly models: readonly ListedModel[];
  readonly partials: readonly ListedPartial[];
  readonly problems: readonly ListedProblem[];
}

export type HivePlan = OfHive & ModelPlan;
export type HiveModel = OfHive & ModelDetail;
export type HiveRemoved = OfHive & ModelRemoved;
/** What was found of one model on one hive. */
export type VerifiedModel = OfHive & ModelVerified['models'][number];

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

/** What is removed of the stores, or would be. */
type PrunedEntry = OfHive & ModelsPruned['removed'][number];

export interface Pruned {
  readonly dry_run: boolean;
  readonly freed_bytes: number;
  readonly removed: readonly PrunedEntry[];
}

/** The limit that a hive has now; null is unlimited. */
export interface HiveLimit extends OfHive {
  /** Bytes per second. */
  readonly max_bandwidth: number | null;
}

/** How many downloads were taken out of the history. */
export interface Removed {
  readonly removed: number;
}

/** What the keeper and the hives found when they looked at themselves and their ways. */
export interface FleetReport {
  readonly queen_url: string;
  readonly keeper: { readonly checks: readonly DoctorCheck[] };
  readonly hives: FleetDoctor['hives'];
}

/** Where the parts of a fleet are. */
export interface FleetPlaces {
  readonly queen_url: string;
  readonly hive_url: string;
  readonly hive_id: string;
  readonly models_dir: string;
}
