import { RbeeError } from '@rbee/contract';
import { errorOfStatus, headerOf, type ResponseHeaders } from '@rbee/transfer';

export interface Refusal {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly repo: string;
  readonly what: string;
  readonly endpoint: string;
  /** Whether the request carried a token. */
  readonly hadToken: boolean;
}

/**
 * The error that a hub's refusal stands for. The hub says more in `X-Error-Code` than in its status, which is 401 also
 * for what does not exist (huggingface_hub, `hf_raise_for_status`).
 */
export function errorOfHub(refusal: Refusal): RbeeError {
  const { status, headers, repo, what, endpoint, hadToken } = refusal;
  const code = headerOf(headers, 'x-error-code');
  if (code === 'GatedRepo') {
    const terms = `accept the terms at ${endpoint}/${repo}`;
    return hadToken
      ? new RbeeError('MODEL_GATED', `${repo} is gated, and the token's owner has no access to it`, { hint: terms })
      : new RbeeError('MODEL_TOKEN_MISSING', `${repo} is gated and needs a token`, {
          hint: `${terms}, then set HF_TOKEN on the hive or run "hf auth login" there`,
        });
  }
  if (code === 'RepoNotFound' || (code === null && status === 404)) {
    return new RbeeError('MODEL_NOT_FOUND', `${endpoint} has no model ${repo}`, {
      hint: hadToken
        ? 'check the name; the token may not see it'
        : 'check the name; a private one needs a token: set HF_TOKEN on the hive',
    });
  }
  if (code === 'RevisionNotFound') {
    return new RbeeError('MODEL_NOT_FOUND', `${repo} has no revision as asked for: ${what}`, {
      hint: 'check the part after "@"',
    });
  }
  if (code === 'EntryNotFound') {
    return new RbeeError('MODEL_NOT_FOUND', `${repo} has no file ${what}`, {
      hint: `its files: ${endpoint}/${repo}/tree/main`,
    });
  }
  if (status === 401) {
    return hadToken
      ? new RbeeError('MODEL_TOKEN_INVALID', `${endpoint} refuses the token`, {
          hint: 'set a valid HF_TOKEN on the hive',
        })
      : new RbeeError('MODEL_TOKEN_MISSING', `${repo} needs a token`, { hint: 'set HF_TOKEN on the hive' });
  }
  if (status === 403) {
    return new RbeeError('MODEL_ACCESS_DENIED', `${endpoint} denies access to ${repo}`, {
      hint: 'the token may lack the right to read this repo',
    });
  }
  return errorOfStatus(status, headers);
}
