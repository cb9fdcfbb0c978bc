import { createHash, randomBytes } from 'node:crypto';
import { digestsOf, toContent } from '../hub/content.ts';
import { fileReply, jsonReply, type Reply, textReply } from '../hub/reply.ts';
import type { FileSource } from '../hub/repo.ts';
import type { HubRequest } from '../hub/request.ts';
import { type Site, startSite } from '../web/site.ts';

export interface RegistryOptions {
  /** Whether an anonymous token is required, and which server issues it; default: not required, issued by the registry. */
  readonly token?: {
    readonly realm?: string;
    /** The `WWW-Authenticate` headers for a realm; default: one that offers Bearer. */
    readonly challenges?: (realm: string) => string | string[];
  };
  /** The origin that blobs redirect to; default: the registry sends them. */
  readonly blobsAt?: string;
}

export interface OllamaModel {
  readonly sha256: string;
  readonly size: number;
  /** SHA-256 of the manifest. */
  readonly digest: string;
}

export type OllamaLayer = readonly [kind: string, text: string];

export interface TestRegistry extends Site {
  /**
   * Adds a model in Ollama's format under `namespace/name` and a tag. Further layers are pairs of a kind (`projector`,
   * `adapter`, `template`, …) and a text.
   */
  addModel(name: string, tag: string, content: FileSource, layers?: readonly OllamaLayer[]): OllamaModel;
  /** Uses any text as the manifest of a name and a tag. */
  setManifest(name: string, tag: string, manifest: string): void;
  /** Rejects all tokens issued so far. */
  expireTokens(): void;
}

const MANIFEST_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';
export const OLLAMA_MODEL_LAYER = 'application/vnd.ollama.image.model';

/** The manifest of a one-file model, as `ollama push` writes it. */
export function ollamaManifest(sha256: string, size: number, more: readonly OllamaLayer[] = []): string {
  const config = Buffer.from('{}');
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      digest: `sha256:${createHash('sha256').update(config).digest('hex')}`,
      size: config.length,
    },
    layers: [
      { mediaType: OLLAMA_MODEL_LAYER, digest: `sha256:${sha256}`, size },
      ...more.map(([kind, text]) => ({
        mediaType: `application/vnd.ollama.image.${kind}`,
        digest: `sha256:${createHash('sha256').update(text).digest('hex')}`,
        size: Buffer.byteLength(text),
      })),
    ],
  });
}

/** A registry on loopback with the read operations of the distribution API. */
export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const manifests = new Map<string, string>();
  const blobs = new Map<string, ReturnType<typeof toContent>>();
  const tokens = new Set<string>();
  const site = await startSite('registry', (request, url) => {
    if (url.pathname === '/token') return giveToken(tokens);
    const match = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname);
    if (match === null) return textReply(404, 'Not Found');
    const [, name = '', kind, reference = ''] = match;
    if (options.token !== undefined && !tokens.has(request.headers.authorization ?? '')) {
      const realm = options.token.realm ?? `${url.origin}/token`;
      return wantToken(options.token.challenges?.(realm) ?? bearerChallenge(realm, name));
    }
    if (kind === 'blobs') return blobReply(request, blobs.get(reference), reference, options.blobsAt);
    return manifestReply(manifests.get(`${name}:${reference}`));
  });
  return Object.assign(site, {
    addModel(name: string, tag: string, source: FileSource, layers: readonly OllamaLayer[] = []) {
      const content = toContent(source);
      const { sha256 } = digestsOf(content);
      const manifest = ollamaManifest(sha256, content.size, layers);
      for (const [, text] of layers) {
        const layer = toContent(Buffer.from(text));
        blobs.set(`sha256:${digestsOf(layer).sha256}`, layer);
      }
      blobs.set(`sha256:${sha256}`, content);
      manifests.set(`${name}:${tag}`, manifest);
      return { sha256, size: content.size, digest: createHash('sha256').update(manifest).digest('hex') };
    },
    setManifest: (name: string, tag: string, manifest: string) => void manifests.set(`${name}:${tag}`, manifest),
    expireTokens: () => tokens.clear(),
  });
}

function giveToken(tokens: Set<string>): Reply {
  const token = randomBytes(16).toString('hex');
  tokens.add(`Bearer ${token}`);
  return jsonReply(200, { token, expires_in: 300 });
}

function bearerChallenge(realm: string, name: string): string {
  return `Bearer realm="${realm}",service="test",scope="repository:${name}:pull"`;
}

function wantToken(challenge: string | string[]): Reply {
  return jsonReply(401, { errors: [{ code: 'UNAUTHORIZED' }] }, { 'WWW-Authenticate': challenge });
}

function manifestReply(manifest: string | undefined): Reply {
  if (manifest === undefined) return jsonReply(404, { errors: [{ code: 'MANIFEST_UNKNOWN' }] });
  const digest = `sha256:${createHash('sha256').update(manifest).digest('hex')}`;
  return textReply(200, manifest, { 'Docker-Content-Digest': digest }, MANIFEST_TYPE);
}

function blobReply(
  request: HubRequest,
  content: ReturnType<typeof toContent> | undefined,
  digest: string,
  blobsAt: string | undefined,
): Reply {
  if (content === undefined) return jsonReply(404, { errors: [{ code: 'BLOB_UNKNOWN' }] });
  if (blobsAt !== undefined) return textReply(307, '', { Location: `${blobsAt}/${digest.replace(':', '-')}` });
  return fileReply(request, {
    content,
    etag: `"${digest}"`,
    lastModified: 'Wed, 01 Jan 2025 00:00:00 GMT',
    headers: {},
  });
}
