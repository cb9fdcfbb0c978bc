import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Debian keeps servers; it is not on everyone's PATH. */
const serverFolders = ['/usr/sbin', '/usr/local/sbin'];

/** The command's absolute path, or null when it is not installed. */
export function findCommand(name: string, path: string): string | null {
  const folders = [...path.split(delimiter).filter((folder) => folder !== ''), ...serverFolders];
  return folders.map((folder) => join(folder, name)).find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
