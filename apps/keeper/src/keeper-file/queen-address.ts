export const DEFAULT_QUEEN_URL = 'http://127.0.0.1:7833';

const QUEEN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Whether a text can be the name of a queen; an address never is. */
export const isQueenName = (text: string): boolean => QUEEN_NAME.test(text);

/** Why a text is not the address of a queen, and what to do; null if it is one. */
export function urlProblem(text: string): { readonly what: string; readonly hint: string } | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    return { what: 'is not the URL of a queen', hint: `write it like ${DEFAULT_QUEEN_URL}` };
  }
  if (url.username !== '' || url.password !== '') {
    return { what: 'contains credentials', hint: 'set the token with --token or RBEE_API_TOKEN' };
  }
  return null;
}

/** The address without slashes at its end. */
export const plainUrl = (text: string): string => new URL(text).href.replace(/\/+$/, '');
