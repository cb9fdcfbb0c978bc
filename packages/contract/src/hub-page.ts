/** What the address of a page or file of a hub stands for. Its parts are untrusted: whoever reads them as a ref checks them. */
export interface HubPage {
  /** `org/name` or `name`. */
  readonly repo: string;
  /** What stands behind a colon, as in `hf.co/org/name:Q4_K_M`; null where nothing does. */
  readonly suffix: string | null;
  /** Branch, tag or commit; null where the address names none. */
  readonly revision: string | null;
  /** A file, or a folder (`isFolder`), inside the repo; null for the whole repo. */
  readonly path: string | null;
  readonly isFolder: boolean;
}

/** Hosts of the public hub; a hive also reads addresses of its own hub. */
const HUB_HOSTS: readonly string[] = ['huggingface.co', 'www.huggingface.co', 'hf.co'];

/** Repos that are no models. */
const OTHER_REPOS: Readonly<Record<string, string>> = {
  datasets: 'a dataset',
  spaces: 'a Space',
  kernels: 'a kernel',
  collections: 'a collection',
};
/** First parts of paths on a hub that are not a repo of a model. */
const OTHER_PAGES: ReadonlySet<string> = new Set(
  (
    'api blog chat changelog collections datasets docs enterprise inference inference-endpoints join jobs kernels languages ' +
    'learn login logout models new notifications oauth organizations papers posts pricing privacy search settings spaces ' +
    'storage support tasks terms-of-service'
  ).split(' '),
);
const FILE_PAGES: ReadonlySet<string> = new Set(['blob', 'resolve', 'raw', 'blame', 'edit']);
const REVISION_PAGES: ReadonlySet<string> = new Set(['tree', 'commit', 'commits']);
const REPO_PAGES: ReadonlySet<string> = new Set(['discussions']);

/** Whether a URL is on the public hub. */
export function isPublicHub({ hostname }: URL): boolean {
  return HUB_HOSTS.includes(hostname);
}

/** An address of the public hub without its scheme, as `hf.co/org/name`, gets one. */
export function withScheme(text: string): string {
  return HUB_HOSTS.some((host) => text.toLowerCase().startsWith(`${host}/`)) ? `https://${text}` : text;
}

/**
 * What people paste from a hub: a repo, a folder, a file or a download link. `path` is the URL's path below the endpoint. Null for
 * any other address of a hub, such as a dataset.
 */
export function readHubPage(path: string, query: URLSearchParams): HubPage | null {
  const parts = decodedParts(path);
  if (parts === null || parts.length === 0 || OTHER_PAGES.has(parts[0] ?? '')) return null;
  const at = [2, 1].find((index) => isPageKind(parts[index])) ?? parts.length;
  if (at > 2) return null;
  const [repo = '', suffix = null] = parts.slice(0, at).join('/').split(/:(.*)/s);
  const [kind, ...rest] = parts.slice(at);
  const whole: HubPage = { repo, suffix: null, revision: null, path: null, isFolder: false };
  if (kind === undefined)
    return { ...whole, suffix, path: suffix === null ? query.get('show_file_info') || null : null };
  if (suffix !== null) return null;
  if (REPO_PAGES.has(kind)) return whole;
  const { revision, below } = splitRevision(rest);
  if (revision === null) return kind === 'tree' || kind === 'commits' ? whole : null;
  const isFolder = REVISION_PAGES.has(kind);
  if (below === '') return isFolder ? { ...whole, revision } : null;
  return { ...whole, revision, path: below, isFolder };
}

/**
 * What an address of a hub shows that names no model; null where it may be a file, which is downloaded like one from anywhere.
 * `path` as for `readHubPage`.
 */
export function otherPageOf(path: string): string | null {
  const parts = path.split('/').filter(Boolean);
  const [first = '', ...rest] = parts;
  if (first === 'api' || rest.some((part) => part === 'resolve' || part === 'raw')) return null;
  const kind = Object.hasOwn(OTHER_REPOS, first) ? OTHER_REPOS[first] : undefined;
  return kind ?? 'a page of the hub';
}

function isPageKind(part: string | undefined): boolean {
  return part !== undefined && (FILE_PAGES.has(part) || REVISION_PAGES.has(part) || REPO_PAGES.has(part));
}

/** A revision is one part; the slashes of `refs/pr/1` may stand bare. */
function splitRevision(parts: readonly string[]): { revision: string | null; below: string } {
  const isRef = parts[0] === 'refs' && (parts[1] === 'pr' || parts[1] === 'convert') && parts[2] !== undefined;
  const length = isRef ? 3 : 1;
  return {
    revision: parts[0] === undefined ? null : parts.slice(0, length).join('/'),
    below: parts.slice(length).join('/'),
  };
}

/** The parts of a path; empty ones, as of a slash at the end, count for nothing. */
function decodedParts(path: string): string[] | null {
  try {
    return path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return null;
  }
}
