import { RbeeError } from '@rbee/contract';
import { z } from 'zod';
import { discard, type HttpClient, parseJson, readBody, requestFollowing } from '../http/request.ts';

/** A token is a few kilobytes at most. */
const MAX_RESPONSE_BYTES = 256 * 1024;
const MAX_CHALLENGE_CHARACTERS = 4_096;

const responseSchema = z
  .object({ token: z.string().optional(), access_token: z.string().optional() })
  .transform(({ token, access_token }) => token ?? access_token ?? '')
  .refine((token) => /^[\x21-\x7e]{1,16384}$/.test(token));

/**
 * Requests an anonymous token from where the `WWW-Authenticate` of a registry says
 * (https://distribution.github.io/distribution/spec/auth/token/). Sends no secret.
 * @throws RbeeError MODEL_ACCESS_DENIED, SOURCE_NOT_ALLOWED, SOURCE_UNAVAILABLE
 */
export async function requestToken(
  http: HttpClient,
  registry: URL,
  challenge: string | null,
  signal: AbortSignal,
): Promise<string> {
  const { realm, service, scope } = readChallenge(challenge);
  const url = realm === undefined ? null : URL.parse(realm);
  if (url === null) throw denied(registry);
  const isSafe = url.protocol === 'https:' || url.origin === registry.origin;
  if (!isSafe || url.username !== '' || url.password !== '') {
    throw new RbeeError('SOURCE_NOT_ALLOWED', `${registry.host} wants a token from ${url.host}, which is not allowed`, {
      hint: 'the token server must use https, or be the registry itself',
    });
  }
  if (service !== undefined) url.searchParams.set('service', service);
  if (scope !== undefined) url.searchParams.set('scope', scope);
  const response = await requestFollowing(http, { method: 'GET', url, signal });
  if (response.status !== 200) {
    discard(response);
    throw denied(registry);
  }
  const parsed = responseSchema.safeParse(parseJson(await readBody(response, MAX_RESPONSE_BYTES, signal)));
  if (parsed.success) return parsed.data;
  throw new RbeeError('SOURCE_UNAVAILABLE', `${url.host} sent no token`);
}

function readChallenge(challenge: string | null): Readonly<Record<string, string>> {
  if (challenge === null || challenge.length > MAX_CHALLENGE_CHARACTERS || !/^bearer /i.test(challenge)) return {};
  const parameters: Record<string, string> = {};
  for (const [, name = '', value = ''] of challenge.matchAll(/([a-z_]{1,32})="([^"]*)"/gi)) {
    parameters[name.toLowerCase()] ??= value;
  }
  return parameters;
}

function denied(registry: URL): RbeeError {
  return new RbeeError('MODEL_ACCESS_DENIED', `${registry.host} requires a login`, {
    hint: 'only public models of a registry can be downloaded',
  });
}
