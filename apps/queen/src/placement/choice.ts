import { type Hive, RbeeError } from '@rbee/contract';

/** Every reason for a choice of hives. */
export const CHOICE_REASONS = ['named', 'every', 'under_way', 'holds_model', 'holds_partial', 'least_busy'] as const;
export type ChoiceReason = (typeof CHOICE_REASONS)[number];

/** Hives, and in a few words why these. */
export interface Choice {
  readonly hives: readonly Hive[];
  /** For whoever counts. */
  readonly reason: ChoiceReason;
  readonly why: string;
}

/** What a request may say: a name, a list of names, or `*` for every hive that is online. */
export type HiveSelector = string | readonly string[];

export interface Fleet {
  list(): readonly Hive[];
  /** @throws RbeeError HIVE_NOT_FOUND */
  get(hiveId: string): Hive;
}

/**
 * The hives that a request names.
 * @throws RbeeError HIVE_NOT_FOUND for a name nobody has, HIVE_UNAVAILABLE where one of them is offline
 */
export function namedHives(fleet: Fleet, wish: HiveSelector): Choice {
  if (wish === '*') return { hives: allOnline(fleet), reason: 'every', why: 'every hive was asked for' };
  const names = new Set(typeof wish === 'string' ? [wish] : wish);
  const hives = [...names].map((name) => fleet.get(name));
  const away = hives.filter((hive) => !hive.online).map((hive) => hive.hive_id);
  if (away.length > 0) throw unavailable(`offline: ${away.join(', ')}`);
  return { hives, reason: 'named', why: 'it was asked for by name' };
}

/**
 * Every hive that is online.
 * @throws RbeeError HIVE_UNAVAILABLE where none is
 */
export function allOnline(fleet: Fleet): readonly Hive[] {
  const online = fleet.list().filter((hive) => hive.online);
  if (online.length === 0) throw unavailable('no hive is online');
  return online;
}

function unavailable(what: string): RbeeError {
  return new RbeeError('HIVE_UNAVAILABLE', what, { hint: 'start a hive with --queen-url, and look at "hive list"' });
}
