import { type Hive, RbeeError } from '@rbee/contract';

/** Every reason for choosing hives. */
export const CHOICE_REASONS = ['named', 'every', 'under_way', 'holds_model', 'holds_partial', 'least_busy'] as const;
export type ChoiceReason = (typeof CHOICE_REASONS)[number];

/** The chosen hives, and why these. */
export interface Choice {
  readonly hives: readonly Hive[];
  /** Hives to try one after the other if the chosen one does not take the job. Nobody else may stand in for a named hive. */
  readonly others?: readonly Hive[];
  /** For metrics. */
  readonly reason: ChoiceReason;
  readonly why: string;
}

/** The `hive_id` of a request: a name, a list of names, or `*` for every online hive. */
export type HiveSelector = string | readonly string[];

export interface Fleet {
  list(): readonly Hive[];
  /** @throws RbeeError HIVE_NOT_FOUND */
  get(hiveId: string): Hive;
}

/**
 * The hives that a request names.
 * @throws RbeeError HIVE_NOT_FOUND for an unknown name, HIVE_UNAVAILABLE when one of them is offline
 */
export function namedHives(fleet: Fleet, selector: HiveSelector): Choice {
  if (selector === '*') return { hives: allOnline(fleet), reason: 'every', why: 'all hives were requested' };
  const names = new Set(typeof selector === 'string' ? [selector] : selector);
  const hives = [...names].map((name) => fleet.get(name));
  const offline = hives.filter((hive) => !hive.online).map((hive) => hive.hive_id);
  if (offline.length > 0) throw unavailable(`offline: ${offline.join(', ')}`);
  const stopping = hives.filter((hive) => hive.draining).map((hive) => hive.hive_id);
  if (stopping.length > 0) throw unavailable(`stopping: ${stopping.join(', ')}`);
  return { hives, reason: 'named', why: 'requested by name' };
}

/**
 * Every online hive, except those that are stopping.
 * @throws RbeeError HIVE_UNAVAILABLE when there is none
 */
export function allOnline(fleet: Fleet): readonly Hive[] {
  const online = fleet.list().filter((hive) => hive.online && hive.draining !== true);
  if (online.length === 0) throw unavailable('no hive is online');
  return online;
}

function unavailable(what: string): RbeeError {
  return new RbeeError('HIVE_UNAVAILABLE', what, { hint: 'start a hive with --queen-url, and check "hive list"' });
}
