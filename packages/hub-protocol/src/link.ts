/** One value of a `Link` header. */
export interface Link {
  /** As it was sent: relative to the URL that was requested. */
  readonly target: string;
  /** Relation types, in lower case: of `rel="next last"` there are two. */
  readonly rels: readonly string[];
}

/** More of a header than any hub sends is not read. */
const MAX_LINK_CHARACTERS = 64 * 1024;

/**
 * The values of a `Link` header (RFC 8288, appendix B.2): several headers, several values in one, parameters in any order, quoted or
 * not. What cannot be read ends the list, so a hostile header costs no more than its length.
 */
export function parseLinkHeader(header: string | readonly string[] | undefined): Link[] {
  const text = (typeof header === 'string' ? header : (header ?? []).join(',')).slice(0, MAX_LINK_CHARACTERS);
  const links: Link[] = [];
  for (let at = 0; at < text.length; ) {
    at = skip(text, at, /[\s,]/);
    if (text[at] !== '<') return links;
    const end = text.indexOf('>', at);
    if (end === -1) return links;
    const params = readParams(text, end + 1);
    // The first `rel` counts, any other is ignored.
    const rel = params.values.find(([name]) => name === 'rel')?.[1] ?? '';
    links.push({ target: text.slice(at + 1, end).trim(), rels: rel.toLowerCase().split(/\s+/).filter(Boolean) });
    at = params.end;
  }
  return links;
}

/** Where the next page of a list is, as it was sent; null on the last page. */
export function nextPageOf(header: string | readonly string[] | undefined): string | null {
  return parseLinkHeader(header).find(({ rels }) => rels.includes('next'))?.target ?? null;
}

/** One value of a `Link` header. */
export function formatLink(target: string, rel: string): string {
  return `<${target}>; rel="${rel}"`;
}

function readParams(text: string, from: number): { values: [name: string, value: string][]; end: number } {
  const values: [string, string][] = [];
  let at = skip(text, from, /\s/);
  while (text[at] === ';') {
    at = skip(text, at + 1, /[\s;]/);
    const nameEnd = skip(text, at, /[^\s=;,]/);
    const name = text.slice(at, nameEnd).toLowerCase();
    at = skip(text, nameEnd, /\s/);
    if (text[at] !== '=') {
      if (name !== '') values.push([name, '']);
      continue;
    }
    const value = readValue(text, skip(text, at + 1, /\s/));
    values.push([name, value.text]);
    at = skip(text, value.end, /\s/);
  }
  // What stands between a value and the next comma belongs to neither.
  while (at < text.length && text[at] !== ',') at += 1;
  return { values, end: at };
}

function readValue(text: string, from: number): { text: string; end: number } {
  if (text[from] !== '"') {
    const end = skip(text, from, /[^\s;,]/);
    return { text: text.slice(from, end), end };
  }
  let value = '';
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === '"') return { text: value, end: at + 1 };
    if (text[at] === '\\') at += 1;
    value += text[at] ?? '';
  }
  return { text: value, end: text.length };
}

function skip(text: string, from: number, what: RegExp): number {
  let at = from;
  while (at < text.length && what.test(text[at] ?? '')) at += 1;
  return at;
}
