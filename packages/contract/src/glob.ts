/**
 * The globs of `hf download --include`, which follow Python's `fnmatch`: they match the whole path, `*` and `?` match "/"
 * too (so `*.gguf` finds files in folders), `[a-c]` and `[!a-c]` are sets, braces and a leading `!` are literal, case
 * matters, and a trailing "/" means everything in the folder. Time is bounded by the product of the lengths: a regular
 * expression made from a glob with many stars could block the whole daemon.
 */
export function globMatcher(glob: string): (path: string) => boolean {
  const tokens = globTokens(glob.endsWith('/') ? `${glob}*` : glob);
  return (path) => {
    const characters = [...path];
    let at = 0;
    let token = 0;
    let star = -1;
    let starAt = 0;
    while (at < characters.length) {
      const current = tokens[token];
      if (current === '*') {
        star = token;
        starAt = at;
        token += 1;
      } else if (current?.(characters[at] ?? '')) {
        at += 1;
        token += 1;
      } else if (star >= 0) {
        // Let the last star match one more character; everything before it has matched.
        starAt += 1;
        at = starAt;
        token = star + 1;
      } else {
        return false;
      }
    }
    return tokens.slice(token).every((rest) => rest === '*');
  };
}

type GlobToken = '*' | ((character: string) => boolean);

function globTokens(glob: string): GlobToken[] {
  const characters = [...glob];
  const tokens: GlobToken[] = [];
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at];
    // A "]" right after the opening is a member of the set; a "[" without a closing "]" is literal.
    const close = character === '[' ? characters.indexOf(']', at + (characters[at + 1] === '!' ? 3 : 2)) : -1;
    if (character === '*') {
      if (tokens.at(-1) !== '*') tokens.push('*');
    } else if (character === '?') {
      tokens.push(() => true);
    } else if (close >= 0) {
      tokens.push(characterSet(characters.slice(at + 1, close)));
      at = close;
    } else {
      tokens.push((other) => other === character);
    }
  }
  return tokens;
}

function characterSet(members: readonly string[]): (character: string) => boolean {
  const negated = members[0] === '!';
  const rest = negated ? members.slice(1) : members;
  const ranges: [from: number, to: number][] = [];
  for (let at = 0; at < rest.length; at += 1) {
    const isRange = rest[at + 1] === '-' && at + 2 < rest.length;
    ranges.push([codeOf(rest[at]), codeOf(rest[isRange ? at + 2 : at])]);
    if (isRange) at += 2;
  }
  return (character) => ranges.some(([from, to]) => from <= codeOf(character) && codeOf(character) <= to) !== negated;
}

function codeOf(character: string | undefined): number {
  return character?.codePointAt(0) ?? -1;
}
