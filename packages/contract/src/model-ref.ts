import { RbeeError } from './error.ts';
import { assertRepoPath, assertText } from './safe-path.ts';

/** One repo of a Hugging Face hub, and what to take of it. */
export interface HfRef {
  readonly scheme: 'hf';
  /** `org/name` */
  readonly repo: string;
  /** Branch, tag or commit; `main` where the ref names none. */
  readonly revision: string;
  /** Paths inside the repo, in the order of the ref. Empty: chosen from what the repo has. */
  readonly files: readonly string[];
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** A GGUF quantisation, upper case; null where the ref names none. */
  readonly quant: string | null;
}

export interface UrlRef {
  readonly scheme: 'https' | 'http';
  readonly url: string;
  /** Lower case hex; null where the ref names none. */
  readonly sha256: string | null;
}

export interface OllamaRef {
  readonly scheme: 'ollama';
  /** Registry host with an optional port; null for the hive's own registry. */
  readonly host: string | null;
  readonly namespace: string;
  readonly name: string;
  readonly tag: string;
}

export interface FileRef {
  readonly scheme: 'file';
  /** Absolute path on the hive's machine. */
  readonly path: string;
}

export type ModelRef = HfRef | UrlRef | OllamaRef | FileRef;
export type Scheme = ModelRef['scheme'];

const MAX_LENGTH = 512;
const DEFAULT_REVISION = 'main';
const OLLAMA_NAMESPACE = 'library';
const OLLAMA_TAG = 'latest';

const FORMS = 'hf:org/repo[@rev][::file=path], org/repo[:QUANT], https://host/path, ollama:name[:tag] or file:///path';

function invalid(message: string, hint = `a model ref is ${FORMS}`): RbeeError {
  return new RbeeError('MODEL_REF_INVALID', message, { hint });
}

/**
 * Reads a model ref in any form of the contract, section 2. The limit of 512 characters holds for the canonical text
 * too, so that what was read once can always be read again.
 * @throws RbeeError MODEL_REF_INVALID, with a message that repeats nothing of the text: it may hold credentials
 */
export function parseModelRef(text: string): ModelRef {
  if (text.length === 0) throw invalid('the model ref is empty');
  assertLength(text);
  assertText(text, 'the model ref');
  const ref = parseScheme(text);
  assertLength(printModelRef(ref));
  return ref;
}

function assertLength(text: string): void {
  if (text.length > MAX_LENGTH) throw invalid(`the model ref is longer than ${MAX_LENGTH} characters`);
}

function parseScheme(text: string): ModelRef {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  switch (scheme) {
    case 'hf':
      return parseHf(text.slice('hf:'.length));
    case 'https':
    case 'http':
      return parseUrl(scheme, text);
    case 'ollama':
      return parseOllama(text.slice('ollama:'.length));
    case 'file':
      return parseFile(text);
    default:
      return parseHf(text);
  }
}

/** The one canonical text of a ref: what `parseModelRef` reads back to an equal ref. */
export function printModelRef(ref: ModelRef): string {
  switch (ref.scheme) {
    case 'hf': {
      const revision = ref.revision === DEFAULT_REVISION ? '' : `@${ref.revision}`;
      const quant = ref.quant === null ? '' : `:${ref.quant}`;
      const options = [
        ...ref.files.map((path) => `::file=${path}`),
        ...ref.include.map((glob) => `::include=${glob}`),
        ...ref.exclude.map((glob) => `::exclude=${glob}`),
      ];
      return `hf:${ref.repo}${revision}${quant}${options.join('')}`;
    }
    case 'https':
    case 'http':
      return ref.sha256 === null ? ref.url : `${ref.url}::sha256=${ref.sha256}`;
    case 'ollama': {
      const host = ref.host === null ? '' : `${ref.host}/`;
      const namespace = ref.host === null && ref.namespace === OLLAMA_NAMESPACE ? '' : `${ref.namespace}/`;
      return `ollama:${host}${namespace}${ref.name}${ref.tag === OLLAMA_TAG ? '' : `:${ref.tag}`}`;
    }
    case 'file':
      return `file://${ref.path}`;
  }
}

/** The name a person knows the model by: the last part of what it names. */
export function shortNameOf(ref: ModelRef): string {
  switch (ref.scheme) {
    case 'hf':
      return lastPart(ref.files[0] ?? ref.repo);
    case 'https':
    case 'http': {
      const { pathname, host } = new URL(ref.url);
      return lastPart(pathname.replace(/\/+$/, '')) || host;
    }
    case 'ollama':
      return ref.tag === OLLAMA_TAG ? ref.name : `${ref.name}:${ref.tag}`;
    case 'file':
      return lastPart(ref.path);
  }
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function splitOptions(text: string): { head: string; options: [string, string][] } {
  // Only "::" before a "key=" opens an option: the "::" of an IPv6 host does not.
  const [head = '', ...rest] = text.split(/::(?=[A-Za-z0-9_]*=)/);
  const options = rest.map((option): [string, string] => {
    const equals = option.indexOf('=');
    if (equals <= 0 || equals === option.length - 1) throw invalid('an option has no name or no value');
    return [option.slice(0, equals), option.slice(equals + 1)];
  });
  return { head, options };
}

// The hub's own rule for names: letters, digits, "-", "_", "."; no "--" or ".."; neither first nor last "-" or ".".
const REPO_PART = /^(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?$/;
// git's rule for ref names (git-check-ref-format), narrowed to what can be a path below `refs/`.
const REVISION = /^(?!.*(?:\.\.|\/\/|\/\.|\.lock(?:\/|$)))[A-Za-z0-9_][A-Za-z0-9._/-]*(?<![/.])$/;
const QUANT = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

function parseHf(text: string): HfRef {
  const { head, options } = splitOptions(text);
  const match = /^([^@:]+)(?:@([^:]*))?(?::([^:]*))?$/.exec(head);
  const repo = match?.[1] ?? '';
  const parts = repo.split('/');
  if (parts.length !== 2 || !parts.every((part) => REPO_PART.test(part) && !part.endsWith('.git'))) {
    throw invalid('the ref does not name a repo', `write org/repo, for example hf:Qwen/Qwen3-0.6B-GGUF; ${FORMS}`);
  }
  const revision = match?.[2] ?? DEFAULT_REVISION;
  if (!REVISION.test(revision))
    throw invalid('the ref has a malformed revision', 'a revision is a branch, a tag or a commit');
  // A revision becomes a path below `refs/`, so it keeps the limits of a path.
  assertRepoPath(revision, 'MODEL_REF_INVALID');
  const suffix = match?.[3];
  const files: string[] = [];
  const include: string[] = [];
  const exclude: string[] = [];
  let quant: string | null = null;
  if (suffix !== undefined) {
    if (QUANT.test(suffix)) quant = suffix.toUpperCase();
    else files.push(assertRepoPath(suffix, 'MODEL_REF_INVALID'));
  }
  for (const [key, value] of options) {
    if (key === 'file') files.push(assertRepoPath(value, 'MODEL_REF_INVALID'));
    else if (key === 'include') include.push(assertGlob(value));
    else if (key === 'exclude') exclude.push(assertGlob(value));
    else throw invalid('a ref of a hub has an unknown option', 'the options are ::file=, ::include= and ::exclude=');
  }
  const ways = [files.length > 0, include.length + exclude.length > 0, quant !== null].filter(Boolean).length;
  if (ways > 1)
    throw invalid(
      'files, globs and a quantisation exclude each other',
      'keep one of ::file=, ::include=/::exclude= and :QUANT',
    );
  if (new Set(files).size !== files.length) throw invalid('the ref names a file twice');
  return { scheme: 'hf', repo, revision, files, include, exclude, quant };
}

function assertGlob(glob: string): string {
  if (glob.startsWith('/') || glob.split('/').includes('..')) throw invalid('a glob leaves the repo');
  return glob;
}

function parseUrl(scheme: 'https' | 'http', text: string): UrlRef {
  const { head, options } = splitOptions(text);
  assertUrlText(head);
  if (/%(?:[01][0-9a-f]|7f)/i.test(head)) throw invalid('the URL contains an encoded control character');
  const url = URL.canParse(head) ? new URL(head) : null;
  if (!url || url.hostname === '' || !/^https?:\/\/[^/]/i.test(head))
    throw invalid('the URL is not complete', `write ${scheme}://host/path`);
  // An empty user name counts too: the parser drops it, so the text would not be the one that was checked.
  if (url.username !== '' || url.password !== '' || /^https?:\/\/[^/?#]*@/i.test(head))
    throw invalid('the URL carries credentials', 'take them out of the URL');
  // The parser folds look-alikes in a host (full-width dots, for one), so its answer is checked as well.
  assertUrlText(url.href);
  url.hash = '';
  let sha256: string | null = null;
  for (const [key, value] of options) {
    if (key !== 'sha256' || sha256 !== null) throw invalid('a URL takes one option, ::sha256=, once');
    if (!/^[0-9a-f]{64}$/i.test(value)) throw invalid('the sha256 is not 64 hex digits');
    sha256 = value.toLowerCase();
  }
  return { scheme, url: url.href, sha256 };
}

function assertUrlText(text: string): void {
  if (/(?:^|[/\\]|%2f|%5c)(?:\.|%2e){2}(?:$|[/\\?#]|%2f|%5c)/i.test(text))
    throw invalid('the URL leaves its folder with ".."');
}

const OLLAMA_PART = /^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._-]{0,79}$/;
const OLLAMA_NAMESPACE_PART = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,79}$/;
const OLLAMA_HOST = /^(?!.*\.\.)[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::(\d{1,5}))?$/;
const MAX_PORT = 65_535;

function parseOllama(text: string): OllamaRef {
  const parts = text.split('/');
  const [name = '', tag = OLLAMA_TAG, ...more] = (parts.pop() ?? '').split(':');
  // With one part before the name, a host differs from a namespace as in docker: by its dot, its port, or its name.
  const namesHost = parts.length > 1 || /[.:]|^localhost$/i.test(parts[0] ?? '');
  const host = namesHost ? (parts.shift() ?? '').toLowerCase() : null;
  const namespace = parts.shift() ?? OLLAMA_NAMESPACE;
  const good =
    parts.length === 0 &&
    more.length === 0 &&
    OLLAMA_PART.test(name) &&
    OLLAMA_PART.test(tag) &&
    OLLAMA_NAMESPACE_PART.test(namespace) &&
    (host === null || isHost(host));
  if (!good) throw invalid('the ref does not name a model of a registry', 'write ollama:[host/][namespace/]name[:tag]');
  return { scheme: 'ollama', host, namespace, name, tag };
}

function isHost(text: string): boolean {
  const match = OLLAMA_HOST.exec(text);
  return match !== null && Number(match[1] ?? 0) <= MAX_PORT;
}

function parseFile(text: string): FileRef {
  const path = /^file:\/\/(\/.*)$/i.exec(text)?.[1];
  if (path === undefined) throw invalid('a file ref names an absolute path', 'write file:///abs/path');
  if (path.includes('::')) throw invalid('a file ref takes no options');
  assertRepoPath(path.slice(1), 'MODEL_REF_INVALID');
  return { scheme: 'file', path };
}
