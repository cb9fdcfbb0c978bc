import { createHash } from 'node:crypto';
import { type OllamaRef, printModelRef, RbeeError } from '@rbee/contract';
import { errorOfStatus, headerOf, isRedirect, type Location, nextHop } from '@rbee/transfer';
import { z } from 'zod';
import { type Answer, type Asking, ask, askFollowing, discard, parseJson, readBody } from '../http/request.ts';
import { placeName, safeFileName } from '../names.ts';
import type { ResolvedModel, Source } from '../source.ts';
import { askForToken } from './registry-token.ts';

/** The limit that the distribution specification recommends to registries. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MODEL_LAYER = 'application/vnd.ollama.image.model';
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

export interface OllamaDeps extends Asking {
  /** The registry of refs that name no host; a URL without a slash at its end. */
  readonly registry: string;
}

/** The model layer of a registry that speaks the distribution API, which is what `ollama pull` fetches from. */
export function createOllama(deps: OllamaDeps): Source<OllamaRef> {
  return {
    async resolve(ref, signal): Promise<ResolvedModel> {
      const base = `${registryOf(deps, ref)}/v2/${ref.namespace}/${ref.name}`;
      const access = createAccess(deps, ref, new URL(base));
      const answer = await access.ask(new URL(`${base}/manifests/${ref.tag}`), { accept: MANIFEST_TYPES }, signal);
      const bytes = await readBody(answer, MAX_MANIFEST_BYTES, signal);
      const digest = createHash('sha256').update(bytes).digest('hex');
      assertDigest(digest, headerOf(answer.headers, 'docker-content-digest'), ref);
      const layer = modelLayer(bytes, ref);
      const sha256 = layer.digest.slice('sha256:'.length);
      const blob = new URL(`${base}/blobs/${layer.digest}`);
      const locate = (locateSignal: AbortSignal) => access.locate(blob, locateSignal);
      const name = safeFileName(`${ref.name}-${ref.tag}.gguf`) ?? 'model.gguf';
      return {
        place: `ollama:${placeName(`${ref.namespace}-${ref.name}`, base)}`,
        title: `${ref.namespace}/${ref.name}`,
        revision: ref.tag,
        commit: digest.slice(0, 40),
        files: [{ path: name, blobName: sha256, size: layer.size, sha256, gitSha1: null, locate }],
        pinnedRef: () => printModelRef(ref),
      };
    },
  };
}

/** A host that is named is asked over https, but for the configured registry, which may be one of plain http. */
function registryOf({ registry }: OllamaDeps, { host }: OllamaRef): string {
  return host === null || host === new URL(registry).host ? registry : `https://${host}`;
}

/** Asks as anybody may, and with an anonymous token where the registry wants one; it is kept until it is refused. */
function createAccess(deps: OllamaDeps, ref: OllamaRef, { origin }: URL) {
  let token: string | null = null;
  const askWith = async (
    how: typeof ask,
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Answer> => {
    for (let isRenewed = false; ; isRenewed = true) {
      const answer = await how(deps, { method: 'GET', url, headers: { ...headers, ...bearer(token) }, signal });
      // An empty blob has no first byte to send.
      if (answer.status < 400 || answer.status === 416) return answer;
      discard(answer);
      // An answer of another server than the registry does not get to say where a token is asked for.
      if (answer.status !== 401 || isRenewed || answer.url.origin !== origin) throw refused(answer, ref);
      token = await askForToken(deps, answer.url, headerOf(answer.headers, 'www-authenticate'), signal);
    }
  };
  return {
    ask: (url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal) =>
      askWith(askFollowing, url, headers, signal),
    /** Where a blob's bytes are: a registry redirects to a signed address, which it makes for a GET alone. */
    async locate(url: URL, signal: AbortSignal): Promise<Location> {
      const answer = await askWith(ask, url, { range: 'bytes=0-0' }, signal);
      discard(answer);
      const target = isRedirect(answer.status) ? nextHop(url, answer.headers) : url;
      const own = target.origin === origin ? bearer(token) : {};
      return { url: target.href, headers: { 'user-agent': deps.userAgent, ...own } };
    },
  };
}

function refused(answer: Answer, ref: OllamaRef): RbeeError {
  const { status, headers, url } = answer;
  const name = `${ref.namespace}/${ref.name}:${ref.tag}`;
  if (status === 404) {
    return new RbeeError('MODEL_NOT_FOUND', `${url.host} has no model ${name}`, { hint: 'check the name and the tag' });
  }
  if (status === 401 || status === 403) {
    return new RbeeError('MODEL_ACCESS_DENIED', `${url.host} denies access to ${name}`, {
      hint: 'check the name; only what a registry shows to everybody can be fetched',
    });
  }
  return errorOfStatus(status, headers);
}

function modelLayer(bytes: Buffer, ref: OllamaRef): { digest: string; size: number } {
  const parsed = manifestSchema.safeParse(parseJson(bytes));
  if (!parsed.success) {
    throw new RbeeError('SOURCE_UNAVAILABLE', `the manifest of ${printModelRef(ref)} is not one of a model`, {
      hint: 'check the registry and the name',
    });
  }
  const layers = parsed.data.layers.filter(({ mediaType }) => mediaType === MODEL_LAYER);
  const [layer, ...more] = layers;
  if (layer !== undefined && more.length === 0) return layer;
  const what = layer === undefined ? 'no model layer' : `${layers.length} model layers`;
  throw new RbeeError('MODEL_NOT_FOUND', `${printModelRef(ref)} has ${what}`, {
    hint: 'only models of one GGUF file can be fetched from a registry',
  });
}

function assertDigest(actual: string, told: string | null, ref: OllamaRef): void {
  if (told === null || !told.startsWith('sha256:') || told === `sha256:${actual}`) return;
  throw new RbeeError('CHECKSUM_MISMATCH', `the manifest of ${printModelRef(ref)} is not what its digest says`, {
    hint: 'the registry or a proxy on the way may be damaged',
  });
}

function bearer(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}
