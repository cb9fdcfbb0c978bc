/** What is measured, each in a store and with a hive of its own. */
export const storeScenarios = [
  { name: 'plan', title: 'plan of a tree, nothing there' },
  { name: 'plan-present', title: 'plan of a tree, all of it there' },
  { name: 'list', title: 'list of models that the hive has fetched' },
  { name: 'list-found', title: 'list of models that other tools have fetched' },
] as const;

export type StoreScenarioName = (typeof storeScenarios)[number]['name'];

/** Plan and list stay below it. */
export const targetMs = 1_000;

export interface StoreSample {
  /** From the request to the last byte of the answer. */
  readonly ms: number;
  /** The longest that the hive took meanwhile to answer the smallest request there is. */
  readonly stallMs: number;
}

export interface StoreScenarioResult {
  readonly scenario: StoreScenarioName;
  /** Files or models. */
  readonly things: number;
  readonly samples: readonly StoreSample[];
  /** The most memory that the hive has held, after the discarded round and after the last; null where none tells. */
  readonly firstPeakMb: number | null;
  readonly lastPeakMb: number | null;
}
