import type { ResponseHeaders } from './headers.ts';

/** More than any login needs. Further cookies are ignored. */
const MAX_COOKIES = 50;
const MAX_COOKIE_CHARACTERS = 4_096;

/** The cookies of one chain of redirects. Each goes back to the origin that set it and to no other. */
export interface Cookies {
  /** Keeps what a response sets. */
  keep(url: URL, headers: ResponseHeaders): void;
  /** The headers of a request with the cookies that its URL's origin has set. */
  addTo(url: URL, headers: Readonly<Record<string, string>>): Readonly<Record<string, string>>;
}

export function createCookies(): Cookies {
  const byOrigin = new Map<string, Map<string, string>>();
  return {
    keep({ origin }, headers) {
      const values = headers['set-cookie'];
      for (const value of typeof values === 'string' ? [values] : (values ?? [])) {
        const [, name, content] = /^\s*([^=;\s]+)\s*=\s*([\x21\x23-\x3a\x3c-\x7e"]*)\s*(?:;|$)/.exec(value) ?? [];
        if (name === undefined || content === undefined || value.length > MAX_COOKIE_CHARACTERS) continue;
        if (/[^\x21-\x7e]/.test(name)) continue;
        const own = byOrigin.get(origin) ?? new Map<string, string>();
        byOrigin.set(origin, own);
        if (/;\s*max-age\s*=\s*(?:-|0+\s*(?:;|$))/i.test(value)) own.delete(name);
        else if (own.has(name) || own.size < MAX_COOKIES) own.set(name, content);
      }
    },
    addTo({ origin }, headers) {
      const own = byOrigin.get(origin);
      if (own === undefined || own.size === 0) return headers;
      const text = [...own].map(([name, content]) => `${name}=${content}`).join('; ');
      const before = headers['cookie'];
      return { ...headers, cookie: before === undefined ? text : `${before}; ${text}` };
    },
  };
}
