import { createRequire } from 'node:module';

/** The version of this program, from its own manifest. */
export const VERSION = (createRequire(import.meta.url)('../package.json') as { version: string }).version;
