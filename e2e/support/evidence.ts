import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** Finds secrets in the text of a place, in every encoding they could have there. Bytes are Latin-1 characters. */
export function leaksOf(text: string, secrets: Readonly<Record<string, string>>): string[] {
  return Object.entries(secrets).flatMap(([name, secret]) => {
    const found = formsOf(secret).find((form) => text.includes(form));
    return found === undefined ? [] : [`${name}: …${around(text, found)}…`];
  });
}

/** The name and the bytes of every file below a folder, by its relative path. */
export async function filesBelow(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path);
    if (!entry.isFile()) {
      found.set(name, name);
      continue;
    }
    // A temporary file may be gone by now, and then leaves nothing.
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    found.set(name, `${name}\n${bytes.toString('latin1')}`);
  }
  return found;
}

function formsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const base64 = Buffer.from(secret).toString('base64').replace(/=+$/, '');
  const bytes = [...Buffer.from(secret)].join(',');
  return [secret, encodeURIComponent(secret), json, base64, bytes, Buffer.from(secret).toString('hex')];
}

const SHOWN_CHARACTERS = 80;

function around(text: string, found: string): string {
  const at = text.indexOf(found);
  return text.slice(Math.max(0, at - SHOWN_CHARACTERS), at + found.length + SHOWN_CHARACTERS);
}
