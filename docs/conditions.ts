// Writes the tables of conditions into docs/internals/testing.md, from the titles of the tests: npm run conditions
import { readFile, writeFile } from 'node:fs/promises';
import { KINDS, readConditions, withConditions } from './test/conditions.ts';

const page = new URL('internals/testing.md', import.meta.url);
const conditions = await readConditions();
await writeFile(page, withConditions(await readFile(page, 'utf8'), conditions));
const without = KINDS.filter((id) => !conditions.some(({ kind }) => kind === id));
console.log(`${conditions.length} conditions; kinds without a test: ${without.join(', ') || 'none'}`);
