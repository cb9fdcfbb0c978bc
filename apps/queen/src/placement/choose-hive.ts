import { type Hive, RbeeError } from '@rbee/contract';

/** Hives, and in a few words why these. */
export interface Choice {
  readonly hives: readonly Hive[];
  readonly why: string;
}

/** What a request may say: a name, a list of names, `*` for every hive that is online, or nothing. */
export type HiveWish = string | readonly string[] | undefined;

export interface Fleet {
  list(): readonly Hive[];
  /** @throws RbeeError HIVE_NOT_FOUND */
  get(hiveId: string): Hive;
}

/**
 * The hives that shall perform an operation. Without a wish: the online one with the fewest active downloads.
 * @throws RbeeError HIVE_NOT_FOUND for a name nobody has, HIVE_UNAVAILABLE where none that would do is online
 */
export function chooseHives(fleet: Fleet, wish: HiveWish): Choice {
  if (wish === undefined) return { hives: [leastBusy(fleet)], why: 'it has the fewest active downloads' };
  if (wish === '*') return { hives: allOnline(fleet), why: 'every hive was asked for' };
  const names = new Set(typeof wish === 'string' ? [wish] : wish);
  const hives = [...names].map((name) => fleet.get(name));
  const away = hives.filter((hive) => !hive.online).map((hive) => hive.hive_id);
  if (away.length > 0) throw unavailable(`offline: ${away.join(', ')}`);
  return { hives, why: 'it was asked for by name' };
}

/** Every hive that is online. */
export function allOnline(fleet: Fleet): readonly Hive[] {
  const online = fleet.list().filter((hive) => hive.online);
  if (online.length === 0) throw unavailable('no hive is online');
  return online;
}

function leastBusy(fleet: Fleet): Hive {
  const [first, ...others] = allOnline(fleet);
  if (!first) throw unavailable('no hive is online');
  return others.reduce((best, hive) => (hive.active_downloads < best.active_downloads ? hive : best), first);
}

function unavailable(what: string): RbeeError {
  return new RbeeError('HIVE_UNAVAILABLE', what, { hint: 'start a hive with --queen-url, and look at "hive list"' });
}
