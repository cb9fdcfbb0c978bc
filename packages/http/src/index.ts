export { headerOf, type ResponseHeaders, strongEtag, valuesOf } from './headers.ts';
export {
  followRedirects,
  type Hop,
  isRedirect,
  maxRedirects,
  nextHop,
  nextTurn,
  type RedirectOptions,
  type RedirectResponse,
  type RedirectStart,
  redirectHops,
} from './redirect.ts';
