import { RbeeError } from '@rbee/contract';
import { z } from 'zod';
import { discard, type HttpClient, parseJson, readBody, requestFollowing } from '../http/request.ts';
import { parseChallenges } from './challenge.ts';

/** A token is a few kilobytes at most. */
const MAX_RESPONSE_BYTES = 256 * 1024;

const responseSchema = z
  .object({ token: z.string().optional(), access_token: z.string().optional() })
  .transform(({ token, access_token }) => token ?? access_token ?? '')
  .refine((token) => /^[\x21-\x7e]{1,16384}$/.test(token));

/**
 * Requests an anonymous token from where a Bearer challenge in the `WWW-Authenticate` headers of a registry says
 * (https://distribution.github.io/distribution/spec/auth/token/). Sends no secret.
 * @throws RbeeError MODEL_ACCESS_DENIED, SOURCE_NOT_ALLOWED, SOURCE_UNAVAILABLE
 */
export async function requestToken(
  http: HttpClient,
  registry: URL,
  challenges: string | readonly string[] | undefined,
  signal: AbortSignal,
): Promise<string> {
  const bearers = parseChallenges(challenges).filter(({ scheme }) => scheme === 'bearer');
  const offered = bearers.find(({ parameters }) => URL.canParse(parameters.get('realm') ?? ''))?.parameters;
  const url = URL.parse(offered?.get('realm') ?? '');
  if (offered === undefined || url === null) throw denied(registry);
  const isSafe = url.protocol === 'https:' || url.origin === registry.origin;
  if (!isSafe || url.username !== '' || url.password !== '') {
    throw new RbeeError('SOURCE_NOT_ALLOWED', `${registry.host} wants a token from ${url.host}, which is not allowed`, {
      hint: 'the token server must use https, or be the registry itself',
    });
  }
  const service = offered.get('service');
  if (service !== undefined) url.searchParams.set('service', service);
  const scopes = (offered.get('scope') ?? '').split(' ').filter((scope) => scope !== '');
  if (scopes.length > 0) url.searchParams.delete('scope');
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const response = await requestFollowing(http, { method: 'GET', url, signal });
  if (response.status !== 200) {
    discard(response);
    throw denied(registry);
  }
  const parsed = responseSchema.safeParse(parseJson(await readBody(response, MAX_RESPONSE_BYTES, signal)));
  if (parsed.success) return parsed.data;
  throw new RbeeError('SOURCE_UNAVAILABLE', `${url.host} sent no token`);
}

function denied(registry: URL): RbeeError {
  return new RbeeError('MODEL_ACCESS_DENIED', `${registry.host} requires a login`, {
    hint: 'only public models of a registry can be downloaded',
  });
}
