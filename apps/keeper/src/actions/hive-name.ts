import { usageError } from '../errors/keeper-error.ts';

/** The contract's names of hives: what a path or a file may carry. */
const HIVE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;

/** @throws KeeperError USAGE */
export function assertHiveName(name: string): void {
  if (!HIVE_NAME.test(name)) throw usageError(`"${name}" is not the name of a hive`, 'see rbee-keeper hive list');
}
