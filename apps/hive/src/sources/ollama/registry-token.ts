import { RbeeError } from '@rbee/contract';
import { z } from 'zod';
import { type Asking, askFollowing, discard, parseJson, readBody } from '../http/request.ts';

/** A token is a few kilobytes at most. */
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_CHALLENGE_CHARACTERS = 4_096;

const answerSchema = z
  .object({ token: z.string().optional(), access_token: z.string().optional() })
  .transform(({ token, access_token }) => token ?? access_token ?? '')
  .refine((token) => /^[\x21-\x7e]{1,16384}$/.test(token));

/**
 * An anonymous token for what a registry has refused, as its `WWW-Authenticate` says where to get one
 * (https://distribution.github.io/distribution/spec/auth/token/). Nothing secret is sent for it.
 * @throws RbeeError MODEL_ACCESS_DENIED, SOURCE_NOT_ALLOWED, SOURCE_UNAVAILABLE
 */
export async function askForToken(
  asking: Asking,
  registry: URL,
  challenge: string | null,
  signal: AbortSignal,
): Promise<string> {
  const { realm, service, scope } = readChallenge(challenge);
  const url = realm === undefined ? null : URL.parse(realm);
  if (url === null) throw denied(registry);
  const isSafe = url.protocol === 'https:' || url.origin === registry.origin;
  if (!isSafe || url.username !== '' || url.password !== '') {
    throw new RbeeError('SOURCE_NOT_ALLOWED', `${registry.host} wants a token of ${url.host}, which is refused`, {
      hint: 'the place that gives tokens must be reached over https, or be the registry itself',
    });
  }
  if (service !== undefined) url.searchParams.set('service', service);
  if (scope !== undefined) url.searchParams.set('scope', scope);
  const answer = await askFollowing(asking, { method: 'GET', url, signal });
  if (answer.status !== 200) {
    discard(answer);
    throw denied(registry);
  }
  const parsed = answerSchema.safeParse(parseJson(await readBody(answer, MAX_ANSWER_BYTES, signal)));
  if (parsed.success) return parsed.data;
  throw new RbeeError('SOURCE_UNAVAILABLE', `${url.host} answers without a token`);
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
  return new RbeeError('MODEL_ACCESS_DENIED', `${registry.host} gives access only to those who log in`, {
    hint: 'only what a registry shows to everybody can be fetched',
  });
}
