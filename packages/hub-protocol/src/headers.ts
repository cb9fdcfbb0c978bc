/** Headers of a hub, in lower case, and what each says. */
export const HUB_HEADERS = {
  /** The commit that the revision stood for. On every response about a file, an error included. */
  commit: 'x-repo-commit',
  /** What a client names the blob by: the sha256 of an LFS file, the git object id of any other. Quoted. */
  linkedEtag: 'x-linked-etag',
  /** The size of the file, where a redirect leads to it. Missing on the redirect of a small file. */
  linkedSize: 'x-linked-size',
  /** The machine-readable reason of a refusal, one of `HUB_ERRORS`. */
  errorCode: 'x-error-code',
  /** The reason for people, which often says what to do. */
  errorMessage: 'x-error-message',
  /** Xet's own hash of an LFS file, which is not its sha256. */
  xetHash: 'x-xet-hash',
} as const;

/**
 * Values of `X-Error-Code`. `RepoNotFound` comes with 401 to a caller without a valid token, so that a private repo
 * looks like one that does not exist (huggingface_hub, `hf_raise_for_status`).
 */
export const HUB_ERRORS = {
  repoNotFound: 'RepoNotFound',
  revisionNotFound: 'RevisionNotFound',
  entryNotFound: 'EntryNotFound',
  gatedRepo: 'GatedRepo',
  disabledRepo: 'DisabledRepo',
} as const;

export type HubErrorCode = (typeof HUB_ERRORS)[keyof typeof HUB_ERRORS];

/** `X-Error-Message` of a 401 for a token that the hub does not know or that has expired, whatever the code beside it. */
export const INVALID_TOKEN_MESSAGE = 'Invalid credentials in Authorization header';
