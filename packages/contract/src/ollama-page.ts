/** Hosts whose pages name models of Ollama's own registry. */
const OLLAMA_HOSTS: readonly string[] = ['ollama.com', 'www.ollama.com', 'ollama.ai', 'registry.ollama.ai'];

/** First parts of paths there that are no namespace. */
const OTHER_PAGES: ReadonlySet<string> = new Set(
  'api blog cloud connect docs download install.sh models pricing privacy public search settings signin signup terms v2'.split(
    ' ',
  ),
);
/** What may follow the name of a model. */
const BELOW: ReadonlySet<string> = new Set(['tags', 'blobs']);

/** An address of the site without its scheme, as `ollama.com/library/name`, gets one. */
export function withOllamaScheme(text: string): string {
  return OLLAMA_HOSTS.some((host) => text.toLowerCase().startsWith(`${host}/`)) ? `https://${text}` : text;
}

/**
 * What stands behind `ollama:` for the address of a model's page, such as `https://ollama.com/library/qwen3:0.6b`. Null for any other
 * URL. The text is untrusted: whoever reads it as a ref checks it.
 */
export function readOllamaPage(url: string): string | null {
  const { hostname, pathname } = new URL(url);
  if (!OLLAMA_HOSTS.includes(hostname)) return null;
  const [namespace, name, below] = pathname.split('/').filter(Boolean);
  if (namespace === undefined || name === undefined || OTHER_PAGES.has(namespace)) return null;
  if (below !== undefined && !BELOW.has(below)) return null;
  return `${namespace}/${name.replace(/%3a/i, ':')}`;
}
