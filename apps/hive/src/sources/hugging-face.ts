import { type HfRef, RbeeError } from '@rbee/contract';
import { errorOfConnection, type Location } from '@rbee/transfer';
import { type Dispatcher, request } from 'undici';
import { errorOfHub, type Headers, headerOf } from './hub-error.ts';
import { type HubTreeEntry, readCommit, readTree } from './hub-tree.ts';
import { selectFiles } from './select-files.ts';
import type { ResolvedModel, Source, SourceFile } from './source.ts';

/** Redirects inside the hub, as a renamed repo gives them; the one to the CDN is not followed here. */
const MAX_HUB_REDIRECTS = 5;
/** A page of a tree has a thousand entries, which is well below this. */
const MAX_JSON_BYTES = 32 * 1024 * 1024;

export interface HuggingFaceDeps {
  /** The hub's address without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | null;
  readonly dispatcher: Dispatcher;
  readonly headersTimeoutMs: number;
  readonly userAgent: string;
}

/** A Hugging Face hub, or a mirror that speaks as it does. The token goes to the hub's own origin only. */
export function createHuggingFace(deps: HuggingFaceDeps): Source<HfRef> {
  return {
    async resolve(ref, signal): Promise<ResolvedModel> {
      const { repo, revision } = ref;
      return ref.files.length > 0 ? byName(deps, ref, signal) : byTree(deps, ref, signal, { repo, revision });
    },
  };
}

/** Named files: one HEAD each says all there is to know, and pins the commit for the next. */
async function byName(deps: HuggingFaceDeps, ref: HfRef, signal: AbortSignal): Promise<ResolvedModel> {
  let commit: string | null = null;
  const files: SourceFile[] = [];
  for (const path of ref.files) {
    const answer: FileAnswer = await askForFile(deps, ref.repo, commit ?? ref.revision, path, signal);
    commit ??= answer.commit;
    files.push(toSourceFile(deps, ref.repo, commit, path, answer));
  }
  const [first, ...rest] = files;
  if (!first || commit === null) throw new Error('a ref that names no files');
  return { ...namesOf(ref.repo), revision: ref.revision, commit, files: [first, ...rest] };
}

/** Files chosen from what the repo has: the tree names sizes and digests, so no file is asked for by itself. */
async function byTree(
  deps: HuggingFaceDeps,
  ref: HfRef,
  signal: AbortSignal,
  { repo, revision }: { repo: string; revision: string },
): Promise<ResolvedModel> {
  const ask = (url: URL) => askApi(deps, repo, url, signal);
  const commit = await readCommit(ask, deps.endpoint, repo, revision);
  const tree = await readTree(ask, deps.endpoint, repo, commit);
  const chosen = new Set(selectFiles(tree, ref));
  const files = tree.filter((entry) => chosen.has(entry.path)).map((entry) => fromTree(deps, repo, commit, entry));
  const [first, ...rest] = files;
  if (!first) throw new Error('a selection without files');
  return { ...namesOf(repo), revision, commit, files: [first, ...rest] };
}

function namesOf(repo: string) {
  return { place: `hf:${repo}`, title: repo };
}

interface FileAnswer {
  readonly commit: string;
  readonly etag: string;
  readonly size: number | null;
  readonly location: Location;
}

async function askForFile(
  deps: HuggingFaceDeps,
  repo: string,
  revision: string,
  path: string,
  signal: AbortSignal,
): Promise<FileAnswer> {
  let url = new URL(`${deps.endpoint}/${repo}/resolve/${encodePath(revision, true)}/${encodePath(path, false)}`);
  let commit: string | null = null;
  for (let hops = 0; hops <= MAX_HUB_REDIRECTS; hops += 1) {
    const { status, headers } = await head(deps, url, signal);
    if (status >= 400) throw refused(deps, repo, `${path} (revision ${revision})`, status, headers);
    commit ??= headerOf(headers, 'x-repo-commit');
    const target = redirectOf(url, status, headers);
    // What the hub says of the file comes with the answer that leads to the bytes: the redirect to the CDN, which knows
    // nothing of it, or the file itself. Redirects before it stay within the hub and say less.
    const linked = headerOf(headers, 'x-linked-etag');
    if (target === null || linked !== null) {
      const etag = linked ?? headerOf(headers, 'etag');
      const size = headerOf(headers, 'x-linked-size') ?? headerOf(headers, 'content-length');
      return toAnswer(deps, { commit, etag, size, url: target ?? url, path });
    }
    if (target.origin !== url.origin) throw oddAnswer(`it redirects ${path} without saying what it is`);
    url = target;
  }
  throw oddAnswer(`it redirects ${path} without end`);
}

interface Told {
  readonly commit: string | null;
  readonly etag: string | null;
  readonly size: string | null;
  readonly url: URL;
  readonly path: string;
}

function toAnswer(deps: HuggingFaceDeps, { commit, etag, size, url, path }: Told): FileAnswer {
  if (commit === null || etag === null) throw oddAnswer(`it does not say the commit or the ETag of ${path}`);
  return {
    commit,
    etag: etag.replace(/^W\//, '').replaceAll('"', ''),
    size: size !== null && /^\d+$/.test(size) ? Number(size) : null,
    location: { url: url.href, headers: headersFor(deps, url) },
  };
}

function redirectOf(from: URL, status: number, headers: Headers): URL | null {
  if (status < 300) return null;
  const location = headerOf(headers, 'location') ?? '';
  const target = URL.canParse(location, from.href) ? new URL(location, from) : null;
  if (!target || !/^https?:$/.test(target.protocol)) throw oddAnswer('it redirects to something that is not a URL');
  if (from.protocol === 'https:' && target.protocol === 'http:') {
    throw new RbeeError('SOURCE_NOT_ALLOWED', 'the hub redirects from https to http', { hint: 'check HF_ENDPOINT' });
  }
  return target;
}

async function head(deps: HuggingFaceDeps, url: URL, signal: AbortSignal) {
  const { statusCode, headers, body } = await ask(deps, url, 'HEAD', signal);
  await body.dump();
  return { status: statusCode, headers };
}

async function askApi(deps: HuggingFaceDeps, repo: string, url: URL, signal: AbortSignal) {
  const { statusCode, headers, body } = await ask(deps, url, 'GET', signal);
  if (statusCode === 200) return { headers, body: await readJson(body, url) };
  await body.dump();
  throw refused(deps, repo, url.pathname, statusCode, headers);
}

async function ask(deps: HuggingFaceDeps, url: URL, method: 'HEAD' | 'GET', signal: AbortSignal) {
  const { dispatcher, headersTimeoutMs } = deps;
  const headers = { ...headersFor(deps, url), 'accept-encoding': 'identity' };
  try {
    return await request(url, {
      method,
      dispatcher,
      headers,
      signal,
      headersTimeout: headersTimeoutMs,
      bodyTimeout: headersTimeoutMs,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw errorOfConnection(error, url.host);
  }
}

async function readJson(body: Dispatcher.ResponseData['body'], url: URL): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_JSON_BYTES) throw oddAnswer('its answer has no end');
      chunks.push(chunk);
    }
  } catch (error) {
    throw errorOfConnection(error, url.host);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw oddAnswer('its answer is not JSON');
  }
}

function refused(deps: HuggingFaceDeps, repo: string, what: string, status: number, headers: Headers): RbeeError {
  return errorOfHub({ status, headers, repo, what, endpoint: deps.endpoint, hadToken: deps.token !== null });
}

/** The token goes to the hub's own origin and never along a redirect to another. */
function headersFor(deps: HuggingFaceDeps, url: URL): Record<string, string> {
  const own = deps.token !== null && url.origin === new URL(deps.endpoint).origin;
  return { 'user-agent': deps.userAgent, ...(own ? { authorization: `Bearer ${deps.token}` } : {}) };
}

function toSourceFile(
  deps: HuggingFaceDeps,
  repo: string,
  commit: string,
  path: string,
  answer: FileAnswer,
): SourceFile {
  // The first address is as good as new; only when it was refused is the hub asked for another.
  let fresh: Location | null = answer.location;
  return {
    path,
    blobName: answer.etag,
    size: answer.size,
    sha256: /^[0-9a-f]{64}$/.test(answer.etag) ? answer.etag : null,
    gitSha1: /^[0-9a-f]{40}$/.test(answer.etag) ? answer.etag : null,
    async locate(signal) {
      const location = fresh ?? (await askForFile(deps, repo, commit, path, signal)).location;
      fresh = null;
      return location;
    },
  };
}

function fromTree(deps: HuggingFaceDeps, repo: string, commit: string, entry: HubTreeEntry): SourceFile {
  return {
    path: entry.path,
    blobName: entry.sha256 ?? entry.gitSha1,
    size: entry.size,
    sha256: entry.sha256,
    gitSha1: entry.sha256 === null ? entry.gitSha1 : null,
    locate: async (signal) => (await askForFile(deps, repo, commit, entry.path, signal)).location,
  };
}

function encodePath(path: string, whole: boolean): string {
  return whole ? encodeURIComponent(path) : path.split('/').map(encodeURIComponent).join('/');
}

function oddAnswer(what: string): RbeeError {
  return new RbeeError('SOURCE_UNAVAILABLE', `the hub answers as no hub does: ${what}`, { hint: 'check HF_ENDPOINT' });
}
