import { KeeperError } from '../errors/keeper-error.ts';

/** Where a command holds a daemon, see `holders.ts` of the daemons. */
export interface HoldAddress {
  readonly port: number;
  readonly secret: string;
}

/** How other commands use the temporary queen and hive of a command. */
export interface SharedFleet {
  readonly queen_url: string;
  readonly queen_hold: HoldAddress;
  readonly hive_hold: HoldAddress;
  /** The folder that the last one removes. */
  readonly state_dir: string | null;
}

/** The hive that owns a store. */
export interface StoreOwner {
  readonly hive_id: string;
  readonly hive_url: string;
  /** The queen that it registers with. */
  readonly queen_url: string | null;
  /** Whether a command has started it; it shares its fleet soon, or never. */
  readonly is_of_command: boolean;
  readonly fleet: SharedFleet | null;
}

/** A store that belongs to another hive. */
export class StoreOwnedError extends KeeperError {
  /** Null while the owner has not said where it listens, or belongs to somebody else. */
  readonly owner: StoreOwner | null;

  constructor(error: KeeperError, owner: StoreOwner | null) {
    super(error.code, error.message, error.hint === undefined ? {} : { hint: error.hint });
    this.owner = owner;
  }
}

/** Null for anything that is not an owner of this version. */
export function readOwner(value: unknown): StoreOwner | null {
  const { hive_id, hive_url, queen_url, is_of_command, fleet } = fieldsOf(value);
  if (typeof hive_id !== 'string' || typeof hive_url !== 'string') return null;
  return {
    ...{ hive_id, hive_url, queen_url: textOrNull(queen_url), is_of_command: is_of_command === true },
    fleet: readFleet(fleet),
  };
}

function readFleet(value: unknown): SharedFleet | null {
  const { queen_url, queen_hold, hive_hold, state_dir } = fieldsOf(value);
  const [queen, hive] = [readHold(queen_hold), readHold(hive_hold)];
  if (typeof queen_url !== 'string' || queen === null || hive === null) return null;
  return { queen_url, queen_hold: queen, hive_hold: hive, state_dir: textOrNull(state_dir) };
}

/** Null for anything that is not the address of a daemon of this version. */
export function readHold(value: unknown): HoldAddress | null {
  const { port, secret } = fieldsOf(value);
  return typeof port === 'number' && typeof secret === 'string' ? { port, secret } : null;
}

/** The fields of an object; none for any other value. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);
