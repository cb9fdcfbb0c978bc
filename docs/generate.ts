// Puts the help of the built keeper into docs/reference/cli.md: the `text` fence under the heading of each command.
// After a build: node_modules/.bin/node docs/generate.ts
import { readFile, writeFile } from 'node:fs/promises';
import { commandsOf, helpOf } from './test/keeper-help.ts';

const page = new URL('reference/cli.md', import.meta.url);
let text = await readFile(page, 'utf8');
text = await withHelp(text, '## rbee-keeper', []);
for (const words of await commandsOf()) text = await withHelp(text, `### ${words.join(' ')}`, words);
await writeFile(page, text);

/** The page with the first fence after a heading filled again. */
async function withHelp(before: string, heading: string, words: readonly string[]): Promise<string> {
  const at = before.indexOf(`\n${heading}\n`);
  const start = before.indexOf('\n```text\n', at) + '\n```text\n'.length;
  const end = before.indexOf('```\n', start);
  const next = before.indexOf('\n#', at + 1);
  if (at < 0 || (next >= 0 && start > next)) throw new Error(`cli.md has no place for the help of "${heading}"`);
  return `${before.slice(0, start)}${await helpOf(words)}\n${before.slice(end)}`;
}
