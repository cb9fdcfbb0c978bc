export { HUB_ERRORS, HUB_HEADERS, type HubErrorCode, INVALID_TOKEN_MESSAGE, readRefusal } from './headers.ts';
export { formatLink, type Link, nextPageOf, parseLinkHeader } from './link.ts';
export {
  type FoundModel,
  foundModelSchema,
  type ModelInfo,
  modelInfoSchema,
  readTreeFiles,
  SEARCH_FIELDS,
  type TreeFile,
} from './listing.ts';
export { formatRateLimit, type Quota } from './rate-limit.ts';
export { type FileRoute, type HubRoute, hubPaths, parseHubRoute } from './routes.ts';
