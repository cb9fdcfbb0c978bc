import { RbeeError } from '@rbee/contract';
import { type HubOptions, startHub, type TestHub } from '@rbee/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { fixedToken } from '../../../src/sources/hugging-face/hub-token.ts';
import { openSource } from './support.ts';

const READER = 'hf_reader';
const EXPIRED = 'hf_expired';
const TOKENS = {
  [READER]: { user: 'reader', repos: [] },
  [EXPIRED]: { user: 'reader', repos: [], hasExpired: true },
};

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.close();
});

async function openHub(options: HubOptions = {}): Promise<TestHub> {
  const hub = await startHub({ tokens: TOKENS, ...options });
  open.push(hub);
  const files = { 'm.gguf': { size: 9, seed: 1 } };
  hub.addRepo({ id: 'org/model', files });
  hub.addRepo({ id: 'org/gated', files, gated: true });
  hub.addRepo({ id: 'org/pending', files, gated: true, accessRequest: 'pending' });
  hub.addRepo({ id: 'org/rejected', files, gated: true, accessRequest: 'rejected' });
  hub.addRepo({ id: 'org/disabled', files, closed: 'disabled' });
  hub.addRepo({ id: 'org/legal', files, closed: 'legal' });
  return hub;
}

async function refusalOf(hub: TestHub, token: string | null, ref: string): Promise<RbeeError> {
  const source = openSource(hub.url, fixedToken(token));
  open.push(source);
  const error = await source.resolve(ref).catch((reason: unknown) => reason);
  if (error instanceof RbeeError) return error;
  throw new Error(`${ref} was not refused`);
}

describe('what the hub says of a refusal', () => {
  const forms = (repo: string) => [`hf:${repo}::file=m.gguf`, `hf:${repo}`];

  it.each<[string, string | null, string, string, RegExp, RegExp]>([
    ['an expired token', EXPIRED, 'org/model', 'MODEL_TOKEN_INVALID', /Invalid credentials/, /hf auth login/],
    [
      'an expired token, for no such repo',
      EXPIRED,
      'org/none',
      'MODEL_TOKEN_INVALID',
      /Invalid credentials/,
      /expired/,
    ],
    ['a wrong token', 'hf_wrong', 'org/model', 'MODEL_TOKEN_INVALID', /Invalid credentials/, /HF_TOKEN/],
    ['a repo that it disabled', READER, 'org/disabled', 'MODEL_ACCESS_DENIED', /disabled/, /^no token helps/],
    ['a repo that it disabled, to anybody', null, 'org/disabled', 'MODEL_ACCESS_DENIED', /disabled/, /^no token helps/],
    [
      'a repo that is blocked by law',
      READER,
      'org/legal',
      'MODEL_ACCESS_DENIED',
      /blocked for legal reasons/,
      /^no token/,
    ],
    [
      'a repo that is blocked by law, to anybody',
      null,
      'org/legal',
      'MODEL_ACCESS_DENIED',
      /legal reasons/,
      /^no token/,
    ],
  ])('[A10] is passed on: %s', async (_, token, repo, code, message, hint) => {
    const hub = await openHub();
    for (const ref of forms(repo)) {
      const error = await refusalOf(hub, token, ref);
      expect(error).toMatchObject({ code, message: expect.stringMatching(message), hint: expect.stringMatching(hint) });
      expect(error.retryable).toBe(false);
    }
  });

  it.each<[string, string | null, string, string, RegExp, RegExp]>([
    ['a request that is pending', READER, 'org/pending', 'MODEL_GATED', /awaiting a review/, /^wait until/],
    ['a request that was rejected', READER, 'org/rejected', 'MODEL_GATED', /has been rejected/, /ask them/],
    ['no request yet', READER, 'org/gated', 'MODEL_GATED', /not in the authorized list/, /^accept the terms at http/],
    ['nobody in particular', null, 'org/gated', 'MODEL_TOKEN_MISSING', /needs a token/, /accept the terms/],
  ])('[A10] is passed on for a gated repo: %s', async (_, token, repo, code, message, hint) => {
    const hub = await openHub();
    const error = await refusalOf(hub, token, `hf:${repo}::file=m.gguf`);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message), hint: expect.stringMatching(hint) });
  });

  it.each([
    ['control characters', 'one\ttwo', 'one two'],
    ['UTF-8', Buffer.from('für später').toString('latin1'), 'für später'],
    ['a bidirectional override', Buffer.from('a\u202eb').toString('latin1'), 'a b'],
    ['ten thousand characters', 'x'.repeat(10_000), `${'x'.repeat(299)}…`],
  ])('[A10] is printable and bounded: %s', async (_, sent, said) => {
    const hub = await openHub();
    const headers = { 'X-Error-Message': sent };
    hub.fault({ kind: 'status', server: 'hub', status: 403, headers });
    const error = await refusalOf(hub, null, 'hf:org/model');
    expect(error.message.endsWith(`: ${said}`)).toBe(true);
  });

  it('[A10] does not repeat the token', async () => {
    const hub = await openHub();
    hub.fault({ kind: 'status', server: 'hub', status: 403, headers: { 'X-Error-Message': `bad ${READER}` } });
    expect((await refusalOf(hub, READER, 'hf:org/model')).message).not.toContain(READER);
  });

  it('[A10] stands behind a status that has no code of its own', async () => {
    const hub = await openHub();
    const headers = { 'X-Error-Message': 'The repo is being moved' };
    hub.fault({ kind: 'status', server: 'hub', status: 503, headers });
    const error = await refusalOf(hub, null, 'hf:org/model');
    expect(error).toMatchObject({ code: 'SOURCE_UNAVAILABLE', message: expect.stringMatching(/being moved$/) });
  });
});

describe("a refusal that is not the hub's", () => {
  const html = { 'Content-Type': 'text/html' };

  it.each<[string, number, Record<string, string>, RegExp, RegExp]>([
    ['a proxy in HTML', 403, html, /not by a hub/, /proxy or a firewall/],
    ['a firewall in plain text', 403, {}, /not by a hub/, /HTTP_PROXY/],
    ['a proxy that wants a login', 407, html, /proxy .*wants a login/, /HTTP_PROXY/],
    ['a filter by law', 451, html, /not by a hub/, /firewall/],
  ])('[A10] is named as what it is: %s', async (_, status, headers, message, hint) => {
    const hub = await openHub();
    for (const ref of ['hf:org/model::file=m.gguf', 'hf:org/model']) {
      hub.fault({ kind: 'status', server: 'hub', status, headers, times: 2 });
      const error = await refusalOf(hub, READER, ref);
      hub.clearFaults();
      expect(error).toMatchObject({
        code: 'MODEL_ACCESS_DENIED',
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
      });
    }
  });

  it("[A10] is the hub's where it comes in JSON, as from a mirror", async () => {
    const hub = await openHub();
    hub.fault({ kind: 'status', server: 'hub', status: 403, headers: { 'Content-Type': 'application/json' } });
    const error = await refusalOf(hub, READER, 'hf:org/model');
    expect(error).toMatchObject({ message: expect.stringContaining('denies access'), hint: /token/ });
  });
});
