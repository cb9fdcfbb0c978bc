import { RbeeError } from './error.ts';
import { isPublicHub, otherPageOf, readHubPage, withScheme } from './hub-page.ts';
import { readOllamaPage, withOllamaScheme } from './ollama-page.ts';
import { onlyProjectors } from './projector.ts';
import { assertRepoPath, assertText } from './safe-path.ts';

/** One repo of a Hugging Face hub, and what to take of it. */
export interface HfRef {
  readonly scheme: 'hf';
  /** `org/name`, or `name` alone: the oldest models have no organisation. */
  readonly repo: string;
  /** Branch, tag or commit; `main` where the ref names none. */
  readonly revision: string;
  /** Paths inside the repo, in the order of the ref. Empty: chosen from what the repo has. */
  readonly files: readonly string[];
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** A GGUF quantisation, upper case; null where the ref names none. `exclude` may leave out its projector. */
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
/** The ref of one scheme. */
export type RefOf<S extends Scheme, R = ModelRef> = R extends { readonly scheme: infer T }
  ? S extends T
    ? R
    : never
  : never;

interface SchemeRules<R extends ModelRef> {
  /** How a hint shows it. */
  readonly form: string;
  /**
   * Reads a whole text that begins with the scheme; the address of a page of the hub, or of Ollama's site, is the ref of what it shows.
   * @throws RbeeError MODEL_REF_INVALID
   */
  parse(text: string): R | HfRef | OllamaRef;
  /** The canonical text, which `parse` reads back to an equal ref. */
  print(ref: R): string;
  /** The name people know the model by. */
  shortName(ref: R): string;
}

const MAX_LENGTH = 512;
/** Signed URLs are long: S3's with a role have some 1,800 characters. */
const MAX_URL_LENGTH = 8_192;
const DEFAULT_REVISION = 'main';
const OLLAMA_NAMESPACE = 'library';
const OLLAMA_TAG = 'latest';

/** The one list of schemes: settings, sources and the store derive theirs from it. */
const RULES: { readonly [S in Scheme]: SchemeRules<RefOf<S>> } = {
  hf: {
    form: 'hf:org/repo[@rev][::file=path], hf:repo, org/repo[:QUANT]',
    parse: (text) => parseHf(withoutSlashes(text.slice('hf:'.length)), { isBare: false }),
    print: printHf,
    shortName: shortNameOfHf,
  },
  https: { form: 'https://host/path', parse: (text) => parseWeb('https', text), print: printUrl, shortName: nameOfUrl },
  ollama: {
    form: 'ollama:name[:tag]',
    parse: (text) => parseOllama(text.slice('ollama:'.length)),
    print: printOllama,
    shortName: ({ name, tag }) => (tag === OLLAMA_TAG ? name : `${name}:${tag}`),
  },
  http: { form: 'http://host/path', parse: (text) => parseWeb('http', text), print: printUrl, shortName: nameOfUrl },
  file: {
    form: 'file:///path',
    parse: parseFile,
    print: ({ path }) => `file://${path}`,
    shortName: ({ path }) => lastPart(path),
  },
};

/** Every scheme that a ref can have. */
export const SCHEMES = Object.keys(RULES) as readonly Scheme[];

const FORMS = SCHEMES.map((scheme) => RULES[scheme].form)
  .join(', ')
  .replace(/, (?=[^,]*$)/, ' or ');

function invalid(message: string, hint = `a model ref is ${FORMS}`): RbeeError {
  return new RbeeError('MODEL_REF_INVALID', message, { hint });
}

/**
 * Reads a model ref in any form of the contract, section 2. The limit of 512 characters (8,192 for a URL) also holds for the canonical
 * text, so that a ref that was read once can always be read again.
 * @throws RbeeError MODEL_REF_INVALID, with a message that repeats nothing of the text: it may hold credentials
 */
export function parseModelRef(untrusted: string): ModelRef {
  if (untrusted.length === 0) throw invalid('the model ref is empty');
  assertLength(untrusted);
  const text = withOllamaScheme(withScheme(assertText(untrusted, 'the model ref')));
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  // A text without a scheme of ours is a repo: `org/repo:QUANT`.
  const ref = SCHEMES.some((known) => known === scheme)
    ? RULES[scheme as Scheme].parse(text)
    : parseHf(text, { isBare: true });
  assertLength(printModelRef(ref));
  return ref;
}

/** The one canonical text of a ref: `parseModelRef` reads it back to an equal ref. */
export function printModelRef(ref: ModelRef): string {
  return rulesOf(ref).print(ref);
}

/**
 * The name people know the model by: the file where the ref names one, else the repo with its quantisation, or the
 * registry's name. Different refs may share it: see `displayNames`.
 */
export function shortNameOf(ref: ModelRef): string {
  return rulesOf(ref).shortName(ref);
}

function shortNameOfHf({ repo, files: [first, ...others], quant }: HfRef): string {
  if (first === undefined) return quant === null ? lastPart(repo) : `${lastPart(repo)}:${quant}`;
  return others.length === 0 ? lastPart(first) : `${lastPart(first)} +${others.length}`;
}

function rulesOf<R extends ModelRef>(ref: R): SchemeRules<R> {
  // The compiler does not see that a ref and the rules under its scheme belong together.
  return RULES[ref.scheme] as unknown as SchemeRules<R>;
}

function assertLength(text: string): void {
  const most = /^https?:/i.test(text) ? MAX_URL_LENGTH : MAX_LENGTH;
  // What replaces a secret may be longer than the secret was, and has to be read back too.
  const { length } = text.replaceAll(/hidden-[0-9a-f]{12}/g, '');
  if (length > most) throw invalid(`the model ref is longer than ${most} characters`);
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function splitOptions(text: string): { head: string; options: [string, string][] } {
  // Only a "::" before "key=" opens an option: the "::" of an IPv6 host does not.
  const [head = '', ...rest] = text.split(/::(?=[A-Za-z0-9_]*=)/);
  const options = rest.map((option): [string, string] => {
    const equals = option.indexOf('=');
    if (equals <= 0 || equals === option.length - 1) throw invalid('an option has no name or no value');
    return [option.slice(0, equals), option.slice(equals + 1)];
  });
  return { head, options };
}

// The hub's rule for names: letters, digits, "-", "_", "."; no "--" or ".."; neither first nor last "-" or ".".
const REPO_PART = /^(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?$/;
// git's rule for ref names (git-check-ref-format), restricted to paths below `refs/`.
const REVISION = /^(?!.*(?:\.\.|\/\/|\/\.|\.lock(?:\/|$)))[A-Za-z0-9_][A-Za-z0-9._/-]*(?<![/.])$/;
const QUANT = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

function parseHf(text: string, { isBare }: { readonly isBare: boolean }): HfRef {
  const { head, options } = splitOptions(text);
  const match = /^([^@:]+)(?:@([^:]*))?(?::([^:]*))?$/.exec(head);
  const repo = match?.[1] ?? '';
  // A word alone could as well be a model of a registry, an id or a scheme.
  if (!isRepo(repo) || (isBare && !repo.includes('/'))) {
    throw invalid('the ref does not name a repo', `write org/repo, for example hf:Qwen/Qwen3-0.6B-GGUF; ${FORMS}`);
  }
  const revision = match?.[2] ?? DEFAULT_REVISION;
  if (!REVISION.test(revision))
    throw invalid('the ref has a malformed revision', 'a revision is a branch, a tag or a commit');
  // A revision becomes a path below `refs/`, so the limits of a path apply.
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
    else throw invalid('the ref has an unknown option', 'the options are ::file=, ::include= and ::exclude=');
  }
  // A quantisation without its projector is still one choice.
  const hasGlobs = include.length > 0 || (quant === null ? exclude.length > 0 : !onlyProjectors(exclude));
  const ways = [files.length > 0, hasGlobs, quant !== null].filter(Boolean).length;
  if (ways > 1)
    throw invalid(
      'files, globs and a quantisation cannot be combined',
      'keep one of ::file=, ::include=/::exclude= and :QUANT',
    );
  if (new Set(files).size !== files.length) throw invalid('the ref names a file twice');
  return { scheme: 'hf', repo, revision, files, include, exclude, quant };
}

/** `hf://org/repo@rev/path`, as some libraries write it. */
function withoutSlashes(text: string): string {
  if (/^\/\/(?:datasets|spaces|buckets)\//.test(text)) throw invalid('the address is not of a model');
  const [, repo, path] = /^\/\/(?:models\/)?([^/]+\/[^/:]+)(?:\/(.+))?$/.exec(text) ?? [];
  if (repo === undefined) return text.replace(/^\/\//, '');
  return path === undefined ? repo : `${repo}::file=${path}`;
}

function isRepo(text: string): boolean {
  const parts = text.split('/');
  return parts.length <= 2 && parts.every((part) => REPO_PART.test(part) && !part.endsWith('.git'));
}

function printHf({ repo, revision, quant, files, include, exclude }: HfRef): string {
  const options = [
    ...files.map((path) => `::file=${path}`),
    ...include.map((glob) => `::include=${glob}`),
    ...exclude.map((glob) => `::exclude=${glob}`),
  ];
  const at = revision === DEFAULT_REVISION ? '' : `@${revision}`;
  return `hf:${repo}${at}${quant === null ? '' : `:${quant}`}${options.join('')}`;
}

function assertGlob(glob: string): string {
  if (glob.startsWith('/') || glob.split('/').includes('..')) throw invalid('a glob leaves the repo');
  return glob;
}

function parseWeb(scheme: 'https' | 'http', text: string): UrlRef | HfRef | OllamaRef {
  const ref = parseUrl(scheme, text);
  // A ref of a hub or a registry has no place for a digest.
  if (ref.sha256 !== null) return ref;
  const ofRegistry = readOllamaPage(ref.url);
  if (ofRegistry !== null) return parseOllama(ofRegistry);
  const ofHub = hubRefOf(ref, null);
  if (ofHub === null) assertFile(ref);
  return ofHub ?? ref;
}

/** @throws RbeeError MODEL_REF_INVALID where a page of the public hub was pasted that has no files of a model */
function assertFile({ url }: UrlRef): void {
  const { pathname } = new URL(url);
  const what = isPublicHub(new URL(url)) ? otherPageOf(pathname) : null;
  if (what === null) return;
  throw invalid(
    `the address is of ${what}, not of a model`,
    'paste the address of a model, as https://huggingface.co/org/repo, or of one file, with /resolve/ in it',
  );
}

/**
 * The `hf:` ref that the address of a hub's page or file means: `<endpoint>/org/repo[/tree|blob|resolve/rev/path]`. Null for any other
 * URL. A digest of the URL is not part of it.
 * @param endpoint URL of a hub beside huggingface.co; null for none
 * @throws RbeeError MODEL_REF_INVALID where what it names cannot be part of a ref
 */
export function hubRefOf({ url }: UrlRef, endpoint: string | null): HfRef | null {
  const { origin, pathname, searchParams } = new URL(url);
  const hub = new URL(endpoint !== null && !isPublicHub(new URL(url)) ? endpoint : origin);
  const prefix = hub.pathname.replace(/\/+$/, '');
  if ((endpoint === null && !isPublicHub(hub)) || origin !== hub.origin || !pathname.startsWith(`${prefix}/`))
    return null;
  const page = readHubPage(pathname.slice(prefix.length), searchParams);
  if (page === null || !isRepo(page.repo)) return null;
  const { repo, suffix, revision, path, isFolder } = page;
  const at = revision === null ? '' : `@${revision}`;
  // The parts were encoded in the URL: decoded, they must not open options of their own.
  if (/[@:]/.test(revision ?? '') || splitOptions(path ?? suffix ?? '').options.length > 0) {
    throw invalid('the address of the hub names what cannot be part of a ref');
  }
  const wish = path === null ? '' : isFolder ? `::include=${literalGlob(path)}/*` : `::file=${path}`;
  const short = suffix === null ? '' : `:${suffix}`;
  return parseHf(assertText(repo + at + short + wish, 'the model ref'), { isBare: false });
}

/** A glob that matches this text only. */
function literalGlob(text: string): string {
  return text.replaceAll(/[*?[]/g, '[$&]');
}

function parseUrl(scheme: 'https' | 'http', text: string): UrlRef {
  const { head, options } = splitOptions(text);
  assertUrlText(head);
  if (/%(?:[01][0-9a-f]|7f)/i.test(head)) throw invalid('the URL contains an encoded control character');
  const url = URL.canParse(head) ? new URL(head) : null;
  if (!url || url.hostname === '' || !/^https?:\/\/[^/]/i.test(head))
    throw invalid('the URL is not complete', `write ${scheme}://host/path`);
  // An empty user name counts too: the parser drops it, so the checked text would not be the used one.
  if (url.username !== '' || url.password !== '' || /^https?:\/\/[^/?#]*@/i.test(head))
    throw invalid('the URL contains credentials', 'remove them from the URL');
  // The parser folds look-alikes in a host, such as full-width dots, so its result is checked too.
  assertUrlText(url.href);
  url.hash = '';
  let sha256: string | null = null;
  for (const [key, value] of options) {
    if (key !== 'sha256' || sha256 !== null) throw invalid('the only option of a URL is one ::sha256=');
    if (!/^[0-9a-f]{64}$/i.test(value)) throw invalid('the sha256 is not 64 hex digits');
    sha256 = value.toLowerCase();
  }
  return { scheme, url: url.href, sha256 };
}

function printUrl({ url, sha256 }: UrlRef): string {
  return sha256 === null ? url : `${url}::sha256=${sha256}`;
}

function nameOfUrl(ref: UrlRef): string {
  const { pathname, host } = new URL(ref.url);
  return lastPart(pathname.replace(/\/+$/, '')) || host;
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
  // A single part before the name is a host if it has a dot or a port, or is localhost, as in docker.
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

function printOllama({ host, namespace, name, tag }: OllamaRef): string {
  const isDefault = host === null && namespace === OLLAMA_NAMESPACE;
  const registry = host === null ? '' : `${host}/`;
  return `ollama:${registry}${isDefault ? '' : `${namespace}/`}${name}${tag === OLLAMA_TAG ? '' : `:${tag}`}`;
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
