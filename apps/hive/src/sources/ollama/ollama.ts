import { createHash } from 'node:crypto';
import { type OllamaRef, printModelRef, RbeeError } from '@rbee/contract';
import { headerOf, isRedirect, nextHop } from '@rbee/http';
import { errorOfStatus, type Location } from '@rbee/transfer';
import { z } from 'zod';
import {
  discard,
  type HttpClient,
  type HttpResponse,
  parseJson,
  readBody,
  requestFollowing,
  requestOnce,
} from '../http/request.ts';
import { placeName } from '../names.ts';
import type { ResolvedModel, Source, SourceFile } from '../source.ts';
import { filesOfLayers, type Layer, type LayerFile, remarksOf } from './layers.ts';
import { requestToken } from './registry-token.ts';

/** The limit that the distribution specification recommends to registries. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MANIFEST_TYPES =
  'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json';

const manifestSchema = z.object({
  layers: z
    .array(
      z.object({
        mediaType: z.string().max(256),
        digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
        size: z.int().nonnegative(),
      }),
    )
    .max(1_000),
});

export interface OllamaDeps extends HttpClient {
  /** The registry of refs without a host: a URL without a slash at its end. */
  readonly registry: string;
}

/** The layers of a manifest in a registry with the distribution API, as `ollama pull` downloads them. */
export function createOllama(deps: OllamaDeps): Source<'ollama'> {
  return {
    async resolve(ref, signal): Promise<ResolvedModel> {
      const base = `${registryOf(deps, ref)}/v2/${ref.namespace}/${ref.name}`;
      const access = createAccess(deps, ref, new URL(base));
      const response = await access.request(
        new URL(`${base}/manifests/${ref.tag}`),
        { accept: MANIFEST_TYPES },
        signal,
      );
      const bytes = await readBody(response, MAX_MANIFEST_BYTES, signal);
      const digest = createHash('sha256').update(bytes).digest('hex');
      assertDigest(digest, headerOf(response.headers, 'docker-content-digest'), ref);
      const [model, ...others] = filesOfLayers(layersOf(bytes, ref), ref);
      const toFile = ({ path, layer, isBeside }: LayerFile): SourceFile => {
        const sha256 = layer.digest.slice('sha256:'.length);
        const blob = new URL(`${base}/blobs/${layer.digest}`);
        const locate = (locateSignal: AbortSignal) => access.locate(blob, locateSignal);
        const file = { path, blobName: sha256, size: layer.size, sha256, gitSha1: null, locate };
        return isBeside ? { ...file, isBeside } : file;
      };
      return {
        place: `ollama:${placeName(`${ref.namespace}-${ref.name}`, base)}`,
        title: `${ref.namespace}/${ref.name}`,
        revision: ref.tag,
        commit: digest.slice(0, 40),
        files: [toFile(model), ...others.map(toFile)],
        remarks: remarksOf([model, ...others]),
        pinnedRef: () => printModelRef(ref),
      };
    },
  };
}

/** Registries are reached over https, except the configured one, whose URL may be plain http. */
function registryOf({ registry }: OllamaDeps, { host }: OllamaRef): string {
  return host === null || host === new URL(registry).host ? registry : `https://${host}`;
}

/** Sends requests anonymously, and with an anonymous token where the registry wants one; it is kept until it is refused. */
function createAccess(deps: OllamaDeps, ref: OllamaRef, { origin }: URL) {
  let token: string | null = null;
  const requestWith = async (
    send: typeof requestOnce,
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> => {
    for (let isRenewed = false; ; isRenewed = true) {
      const response = await send(deps, { method: 'GET', url, headers: { ...headers, ...bearer(token) }, signal });
      // 416: an empty blob has no first byte.
      if (response.status < 400 || response.status === 416) return response;
      discard(response);
      // Only the registry itself may say where tokens come from.
      if (response.status !== 401 || isRenewed || response.url.origin !== origin) throw refused(response, ref);
      token = await requestToken(deps, response.url, response.headers['www-authenticate'], signal);
    }
  };
  return {
    request: (url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal) =>
      requestWith(requestFollowing, url, headers, signal),
    /** Where a blob's bytes are: a registry redirects to an address that is signed for GET only. */
    async locate(url: URL, signal: AbortSignal): Promise<Location> {
      const response = await requestWith(requestOnce, url, { range: 'bytes=0-0' }, signal);
      discard(response);
      const target = isRedirect(response.status) ? nextHop(url, response.headers) : url;
      const own = target.origin === origin ? bearer(token) : {};
      return { url: target.href, headers: { 'user-agent': deps.userAgent, ...own } };
    },
  };
}

function refused({ status, headers, url }: HttpResponse, ref: OllamaRef): RbeeError {
  const name = `${ref.namespace}/${ref.name}:${ref.tag}`;
  if (status === 404) {
    return new RbeeError('MODEL_NOT_FOUND', `${url.host} has no model ${name}`, { hint: 'check the name and the tag' });
  }
  if (status === 401 || status === 403) {
    return new RbeeError('MODEL_ACCESS_DENIED', `${url.host} denies access to ${name}`, {
      hint: 'check the name; only public models of a registry can be downloaded',
    });
  }
  return errorOfStatus(status, headers);
}

function layersOf(bytes: Buffer, ref: OllamaRef): readonly Layer[] {
  const parsed = manifestSchema.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data.layers;
  throw new RbeeError('SOURCE_UNAVAILABLE', `the manifest of ${printModelRef(ref)} is not a model's`, {
    hint: 'check the registry and the name',
  });
}

function assertDigest(actual: string, expected: string | null, ref: OllamaRef): void {
  if (expected === null || !expected.startsWith('sha256:') || expected === `sha256:${actual}`) return;
  throw new RbeeError('CHECKSUM_MISMATCH', `the manifest of ${printModelRef(ref)} does not match its digest`, {
    hint: 'the registry, or a proxy in between, may be broken',
  });
}

function bearer(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}
