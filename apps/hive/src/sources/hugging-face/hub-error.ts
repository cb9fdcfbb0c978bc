import { RbeeError } from '@rbee/contract';
import { errorOfStatus, headerOf, type ResponseHeaders } from '@rbee/transfer';

export interface HubRefusal {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly repo: string;
  readonly revision: string;
  /** Of one file; null where the request was for the repo. */
  readonly path: string | null;
  readonly endpoint: string;
  /** Whether the request carried a token. */
  readonly hadToken: boolean;
}

/**
 * The error for a response with an error status. The hub says more in `X-Error-Code` than in its status, which is 401
 * even for repos that do not exist (huggingface_hub, `hf_raise_for_status`).
 */
export function errorOfHub(refusal: HubRefusal): RbeeError {
  const { status, headers, repo, revision, path, endpoint, hadToken } = refusal;
  const code = headerOf(headers, 'x-error-code');
  if (code === 'GatedRepo') {
    const terms = `accept the terms at ${endpoint}/${repo}`;
    return hadToken
      ? new RbeeError('MODEL_GATED', `${repo} is gated, and the owner of the token has no access`, { hint: terms })
      : new RbeeError('MODEL_TOKEN_MISSING', `${repo} is gated and needs a token`, {
          hint: `${terms}, then set HF_TOKEN on the hive or run "hf auth login" there`,
        });
  }
  if (code === 'RepoNotFound' || (code === null && status === 404)) {
    return new RbeeError('MODEL_NOT_FOUND', `${endpoint} has no model ${repo}`, {
      hint: hadToken
        ? 'check the name; the token may have no access to it'
        : 'check the name; a private repo needs a token: set HF_TOKEN on the hive',
    });
  }
  if (code === 'RevisionNotFound') {
    return new RbeeError('MODEL_NOT_FOUND', `revision ${revision} not found in ${repo}`, {
      hint: 'check the part after "@"',
    });
  }
  if (code === 'EntryNotFound') {
    return new RbeeError('MODEL_NOT_FOUND', `${repo} has no file ${path} (revision ${revision})`, {
      hint: `its files: ${endpoint}/${repo}/tree/main`,
    });
  }
  if (status === 401) {
    return hadToken
      ? new RbeeError('MODEL_TOKEN_INVALID', `${endpoint} rejected the token`, {
          hint: 'set a valid HF_TOKEN on the hive',
        })
      : new RbeeError('MODEL_TOKEN_MISSING', `${repo} needs a token`, { hint: 'set HF_TOKEN on the hive' });
  }
  if (status === 403) {
    return new RbeeError('MODEL_ACCESS_DENIED', `${endpoint} denies access to ${repo}`, {
      hint: 'the token may lack permission to read this repo',
    });
  }
  return errorOfStatus(status, headers);
}

/** The error for a response that no hub would send. */
export function unexpectedResponse(detail: string): RbeeError {
  return new RbeeError('SOURCE_UNAVAILABLE', `unexpected response from the hub: ${detail}`, {
    hint: 'check HF_ENDPOINT',
  });
}
