/** All `WWW-Authenticate` headers of a response together. */
const MAX_CHARACTERS = 16_384;
const MAX_CHALLENGES = 20;
const MAX_PARAMETERS = 20;

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN68 = /[-._~+/0-9A-Za-z]+=*(?=[ \t]*(?:,|$))/y;
const QUOTED = /"((?:[^"\\]|\\[\t\x20-\x7e\x80-\xff])*)"/y;
/** Registries leave out the quotes of URLs and scopes too. */
const UNQUOTED = /[^\s",=][^\s",]*/y;
const BLANK = /[ \t]*/y;
const BLANK_AND_COMMAS = /[ \t,]*/y;

/** One way to authenticate that a server offers (RFC 9110, section 11.3). */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** Names in lower case; the first of two values counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * The challenges of `WWW-Authenticate`, in order, from any number of headers with any number of challenges each. A header
 * is read up to the first part that no grammar allows.
 */
export function parseChallenges(values: string | readonly string[] | undefined): readonly Challenge[] {
  const headers = typeof values === 'string' ? [values] : (values ?? []);
  if (headers.reduce((sum, { length }) => sum + length, 0) > MAX_CHARACTERS) return [];
  return headers.flatMap(parseHeader).slice(0, MAX_CHALLENGES);
}

function parseHeader(text: string): Challenge[] {
  const challenges: Challenge[] = [];
  const reader = createReader(text);
  for (;;) {
    reader.take(BLANK_AND_COMMAS);
    const scheme = reader.take(TOKEN)?.text;
    if (scheme === undefined) return challenges;
    const isAlone = reader.take(BLANK)?.text === '' || reader.atEnd || reader.peek() === ',';
    if (isAlone && !reader.atEnd && reader.peek() !== ',') return challenges;
    const parameters = new Map<string, string>();
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
    if (isAlone) continue;
    const isWhole = readParameters(reader, parameters);
    if (parameters.size === 0 && reader.take(TOKEN68) !== null) continue;
    if (!isWhole) return challenges;
  }
}

type Reader = ReturnType<typeof createReader>;

/** `name=value, name="value"`, up to the end or to what begins the next challenge; false for what is neither. */
function readParameters(reader: Reader, parameters: Map<string, string>): boolean {
  for (;;) {
    const before = reader.at;
    reader.take(BLANK_AND_COMMAS);
    const name = reader.take(TOKEN)?.text;
    if (name === undefined) return reader.atEnd;
    reader.take(BLANK);
    if (reader.peek() !== '=') {
      // A name without a value is the scheme of the next challenge.
      reader.at = before;
      return parameters.size > 0;
    }
    reader.at += 1;
    reader.take(BLANK);
    const value = reader.take(QUOTED) ?? reader.take(UNQUOTED);
    if (value === null) {
      reader.at = before;
      return false;
    }
    const key = name.toLowerCase();
    if (parameters.size < MAX_PARAMETERS && !parameters.has(key)) {
      parameters.set(key, value.inner?.replaceAll(/\\(.)/gs, '$1') ?? value.text);
    }
    reader.take(BLANK);
    if (!reader.atEnd && reader.peek() !== ',') return false;
  }
}

function createReader(text: string) {
  return {
    at: 0,
    get atEnd(): boolean {
      return this.at >= text.length;
    },
    peek(): string | undefined {
      return text[this.at];
    },
    take(pattern: RegExp): { readonly text: string; readonly inner: string | undefined } | null {
      pattern.lastIndex = this.at;
      const found = pattern.exec(text);
      if (found === null) return null;
      this.at += found[0].length;
      return { text: found[0], inner: found[1] };
    },
  };
}
