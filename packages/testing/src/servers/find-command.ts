import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian's folder for servers, which is not on every user's path. */
const serverFolders = ['/usr/sbin', '/usr/local/sbin'];

/** The path of a program; null when it is not installed. */
export function findCommand(name: string, path: string = process.env['PATH'] ?? ''): string | null {
  const folders = [...path.split(delimiter).filter((folder) => folder !== ''), ...serverFolders];
  return folders.map((folder) => join(folder, name)).find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
