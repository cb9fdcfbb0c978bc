import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesMatching, ROOT } from './support.ts';

// Goal: what people read is plain modern English. Method: every page, comment, message and help text in the places below
// is searched for words and phrases that have a plainer equivalent.

/** The places that are searched. Each entry is one glob, from the root. */
const PLACES: readonly string[] = [
  'apps/*/{src,test}/**/*.ts',
  'packages/*/{src,test}/**/*.ts',
  '{apps,packages}/*/README.md',
  'bench/**/*.{ts,mjs,md}',
  'e2e/**/*.{ts,pl}',
  'scripts/*.{mjs,ts}',
  'docs/**/*.{md,ts}',
  'packaging/**/*.{toml,service}',
  '*.{md,ts,json,yaml}',
  '{Dockerfile,.dependency-cruiser.mjs}',
];

/** The texts that list the words to avoid: this file, and a table. */
const OWN_LIST = 'docs/test/words.test.ts';
const TABLE = 'docs/internals/style.md';

interface Refused {
  /** A regular expression; a space also matches a line break inside a comment. */
  readonly words: string;
  readonly better: string;
  /** A text that the words are found in. */
  readonly example: string;
}

const REFUSED: readonly Refused[] = [
  { words: 'shall', better: 'will, must, or the plain verb', example: 'the hive that shall download it' },
  { words: 'anew', better: 'again', example: 'reads the file anew' },
  { words: 'but for', better: 'except', example: 'all but for one' },
  { words: 'she|her|hers|herself', better: 'it, its (for a daemon)', example: 'a queen asks all her hives' },
  { words: 'at most so', better: 'name the limit', example: 'at most so many rows' },
  { words: 'who(?:ever)? asks', better: 'the client, the caller', example: 'whoever asks gets it' },
  { words: 'what it is to', better: 'name the thing', example: 'what it is to become' },
  { words: 'whence|whither|hitherto|hence(?:forth)?', better: 'from where, until now', example: 'whence it came' },
  { words: '(?:there|where)(?:of|in|upon|by)', better: 'of it, in it', example: 'the size thereof' },
  { words: '(?:an )?earlier (?:life|lives)', better: 'a previous run', example: 'jobs of an earlier life' },
  { words: 'in (?:its|a|the) (?:life|lives)', better: 'while it runs', example: 'once in its life' },
  { words: 'for ever', better: 'forever', example: 'it would wait for ever' },
  { words: '(?:go|goes|going|gone|went) on', better: 'continue, resume', example: 'the download goes on' },
  {
    words: '(?:is|are|was|were|be) told(?! (?:apart|from)\\b)',
    better: 'receives, is notified',
    example: 'the queen is told',
  },
  { words: 'let (?:it|them) go', better: 'release, resume', example: 'let it go' },
  { words: 'those of', better: 'name the thing', example: 'those of one hive' },
  { words: 'of which there (?:is|are) none', better: 'which does not exist', example: 'a hive of which there is none' },
  { words: 'that (?:is|are) none', better: 'that is not one', example: 'an id that is none' },
  { words: 'anyhow', better: 'anyway', example: 'it fails anyhow' },
  { words: 'all the same', better: 'anyway, still', example: 'it is read all the same' },
  { words: 'be (?:it|they)', better: 'whether … or …', example: 'a server, be it plain or TLS' },
  { words: 'not (?:yet )?come (?:about|to an end)', better: 'fail, finish', example: 'it has not come to an end' },
  { words: 'there is no such', better: 'not found, unknown', example: 'there is no such route' },
  {
    words: 'has (?:more )?than one way to',
    better: 'can be … in several ways',
    example: 'it has more than one way to say it',
  },
  { words: 'in (?:its|the|his) own words', better: 'its message', example: 'why, in its own words' },
  { words: "nobody's business", better: 'private', example: "an address that is nobody's business" },
  { words: 'slip of the pen', better: 'typo', example: 'it may be a slip of the pen' },
  { words: 'so and so', better: 'name the thing', example: 'after so and so' },
  { words: 'as against', better: 'as opposed to, not', example: 'named, as against the default' },
  { words: 'of (?:its|their) own making', better: 'its own', example: 'a linter of its own making' },
];

/** Where it stands, and what it reads. */
function findings(path: string, text: string, refused: readonly Refused[] = REFUSED): string[] {
  return refused.flatMap((entry) =>
    [...text.matchAll(patternOf(entry))].map(({ 0: found, index }) => {
      const line = text.slice(0, index).split('\n').length;
      return `${path}:${line}: "${found.replaceAll(/\s+/g, ' ')}": better ${entry.better}`;
    }),
  );
}

function patternOf({ words }: Refused): RegExp {
  const gap = '(?:[ \\t]+|\\s*\\n\\s*(?:\\*|//|>)?\\s*)';
  return new RegExp(`(?<![\\w'-])(?:${words.replaceAll(' ', gap)})(?![\\w-])`, 'gi');
}

async function textOf(path: string): Promise<string> {
  const text = await readFile(join(ROOT, path), 'utf8');
  return path === TABLE ? text.replaceAll(/^\s*\|.*$/gm, '') : text;
}

describe.each(PLACES)('%s', (place) => {
  it('reads as plain English', async () => {
    const paths = (await filesMatching(place)).filter((path) => path !== OWN_LIST);
    expect(paths).not.toEqual([]);
    const texts = await Promise.all(paths.map(textOf));
    expect(paths.flatMap((path, index) => findings(path, texts[index] ?? ''))).toEqual([]);
  });
});

describe('the search for words', () => {
  it.each(REFUSED)('finds "$words"', (refused) => {
    expect(findings('x.md', refused.example, [refused])).toHaveLength(1);
  });

  it('finds them over the end of a line, and in capitals', () => {
    expect(findings('x.ts', '/**\n * It goes\n * on.\n */\n// Shall\n//   it')).toEqual([
      'x.ts:5: "Shall": better will, must, or the plain verb',
      'x.ts:2: "goes * on": better continue, resume',
    ]);
  });

  it('leaves words alone that only contain them', () => {
    expect(findings('x.ts', 'a marshalled sheet, a higher weather, another, for everyone: go-on')).toEqual([]);
  });
});
