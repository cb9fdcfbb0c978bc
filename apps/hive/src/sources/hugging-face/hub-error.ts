import { RbeeError } from '@rbee/contract';
import { headerOf, type ResponseHeaders } from '@rbee/http';
import { HUB_ERRORS, HUB_HEADERS, readRefusal } from '@rbee/hub-protocol';
import { errorOfStatus } from '@rbee/transfer';

export interface HubRefusal {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly repo: string;
  readonly revision: string;
  /** Of one file; null where the request was for the repo. */
  readonly path: string | null;
  readonly endpoint: string;
  /** What the request carried. */
  readonly token: string | null;
  /** Why a token that is there was not sent; null where there is none, or it was sent. */
  readonly tokenProblem: string | null;
}

const LOGIN_HINT = 'set HF_TOKEN on the hive or run "hf auth login" there';

/**
 * The error for a response with an error status. The hub says more in `X-Error-Code` and `X-Error-Message` than in its status, which is
 * 401 even for repos that do not exist (huggingface_hub, `hf_raise_for_status`).
 */
export function errorOfHub(refusal: HubRefusal): RbeeError {
  const { status, headers, repo, revision, path, endpoint, token } = refusal;
  const { code, message } = readRefusal(headers);
  const said = message === null || (token !== null && message.includes(token)) ? '' : `: ${message}`;
  if (!isFromHub(refusal)) return errorOfProxy(refusal);
  if (status === 401 && token !== null && isAboutToken(code, message)) {
    return new RbeeError('MODEL_TOKEN_INVALID', `${endpoint} rejected the token${said}`, {
      hint: 'it may have expired: set a valid HF_TOKEN on the hive, or run "hf auth login" there',
    });
  }
  if (status === 451) {
    return new RbeeError('MODEL_ACCESS_DENIED', `${repo} is blocked for legal reasons (status 451)${said}`, {
      hint: 'no token helps: choose another model',
    });
  }
  if (code === HUB_ERRORS.disabledRepo) {
    return new RbeeError('MODEL_ACCESS_DENIED', `${repo} is disabled at ${endpoint}${said}`, {
      hint: `no token helps: see ${endpoint}/${repo}, or choose another model`,
    });
  }
  if (code === HUB_ERRORS.gatedRepo) return errorOfGate(refusal, message ?? '', said);
  if (code === HUB_ERRORS.repoNotFound || (code === null && status === 404)) return errorOfMissingRepo(refusal);
  if (code === HUB_ERRORS.revisionNotFound) {
    return new RbeeError('MODEL_NOT_FOUND', `revision ${revision} not found in ${repo}`, {
      hint: 'check the part after "@"',
    });
  }
  if (code === HUB_ERRORS.entryNotFound) {
    return new RbeeError('MODEL_NOT_FOUND', `${repo} has no file ${path} (revision ${revision})`, {
      hint: `its files: ${endpoint}/${repo}/tree/main`,
    });
  }
  if (status === 401) return errorOfMissingToken(refusal, said);
  if (status === 403) {
    return new RbeeError('MODEL_ACCESS_DENIED', `${endpoint} denies access to ${repo}${said}`, {
      hint: 'the token may lack permission to read this repo',
    });
  }
  const { code: kind, message: what, details = {}, retryAfterMs } = errorOfStatus(status, headers);
  return new RbeeError(kind, what + said, { details, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}

/** Whether a 401 is about the token itself: the hub sends `RepoNotFound` beside it as well. */
function isAboutToken(code: string | null, message: string | null): boolean {
  return code === null || /invalid credentials|invalid user ?name|token.*(?:expired|invalid)/i.test(message ?? '');
}

function errorOfGate({ repo, endpoint, token, tokenProblem }: HubRefusal, message: string, said: string): RbeeError {
  if (token === null && tokenProblem !== null) return errorOfProblem(`${repo} is gated`, tokenProblem);
  const terms = `accept the terms at ${endpoint}/${repo}`;
  if (token === null) {
    return new RbeeError('MODEL_TOKEN_MISSING', `${repo} is gated and needs a token`, {
      hint: `${terms}, then ${LOGIN_HINT}`,
    });
  }
  const isPending = /await|pending/i.test(message);
  const isRejected = /reject|denied|declined/i.test(message);
  return new RbeeError('MODEL_GATED', `${repo} is gated, and the owner of the token has no access${said}`, {
    hint: isPending
      ? `wait until its authors have reviewed the request: see ${endpoint}/${repo}`
      : isRejected
        ? 'its authors rejected the request: ask them, or choose another model'
        : terms,
  });
}

function errorOfMissingRepo({ repo, endpoint, token, tokenProblem }: HubRefusal): RbeeError {
  if (token === null && tokenProblem !== null) {
    return errorOfProblem(`${endpoint} shows no model ${repo} without a token`, tokenProblem);
  }
  return new RbeeError('MODEL_NOT_FOUND', `${endpoint} has no model ${repo}`, {
    hint:
      token === null
        ? 'check the name; a private repo needs a token: set HF_TOKEN on the hive'
        : 'check the name; the token may have no access to it',
  });
}

function errorOfMissingToken({ repo, tokenProblem }: HubRefusal, said: string): RbeeError {
  if (tokenProblem !== null) return errorOfProblem(`${repo} needs a token`, tokenProblem);
  return new RbeeError('MODEL_TOKEN_MISSING', `${repo} needs a token${said}`, { hint: LOGIN_HINT });
}

function errorOfProblem(what: string, tokenProblem: string): RbeeError {
  return new RbeeError('MODEL_TOKEN_INVALID', `${what}, and ${tokenProblem}`, {
    hint: 'run "hf auth login" on the hive\'s machine: the new token is used without a restart',
  });
}

/** A refusal without any header of a hub, and not in JSON as the API of a mirror sends it, comes from something on the way there. */
function isFromHub({ status, headers }: HubRefusal): boolean {
  if (status === 407) return false;
  if (status !== 403 && status !== 451) return true;
  const isNamed = [HUB_HEADERS.errorCode, HUB_HEADERS.errorMessage, HUB_HEADERS.commit].some(
    (name) => headerOf(headers, name) !== null,
  );
  return isNamed || /json/i.test(headerOf(headers, 'content-type') ?? '');
}

function errorOfProxy({ status, endpoint }: HubRefusal): RbeeError {
  const { host, protocol } = new URL(endpoint);
  const variable = protocol === 'http:' ? 'HTTP_PROXY' : 'HTTPS_PROXY';
  const isLogin = status === 407;
  return new RbeeError(
    'MODEL_ACCESS_DENIED',
    isLogin
      ? `the proxy on the way to ${host} wants a login (status 407)`
      : `the request to ${host} was refused (status ${status}), and not by a hub`,
    {
      hint: isLogin
        ? `put user and password into ${variable} of the hive: http://user:password@host:port`
        : `a proxy or a firewall may be in the way: check ${variable}, NO_PROXY and HF_ENDPOINT, or run "rbee-keeper doctor"`,
    },
  );
}

/** The error for a response that no hub would send. */
export function unexpectedResponse(detail: string): RbeeError {
  return new RbeeError('SOURCE_UNAVAILABLE', `unexpected response from the hub: ${detail}`, {
    hint: 'check HF_ENDPOINT',
  });
}
