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

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const MAX_MESSAGE_CHARACTERS = 300;

/**
 * What a hub says about a refusal: its code, and its reason for people as one printable line of at most 300 characters. Both null: no
 * hub sent this, or one that does not say.
 */
export function readRefusal(headers: Headers): { readonly code: string | null; readonly message: string | null } {
  const code = firstOf(headers[HUB_HEADERS.errorCode]);
  const text = firstOf(headers[HUB_HEADERS.errorMessage]) ?? '';
  const line = decoded(text)
    .replaceAll(/[\s\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
  const characters = [...line];
  const isLong = characters.length > MAX_MESSAGE_CHARACTERS;
  const message = isLong ? `${characters.slice(0, MAX_MESSAGE_CHARACTERS - 1).join('')}…` : line;
  return { code: code !== null && /^\w{1,64}$/.test(code) ? code : null, message: message === '' ? null : message };
}

function firstOf(value: string | readonly string[] | undefined): string | null {
  return (typeof value === 'string' ? value : value?.[0]) ?? null;
}

/** Header bytes arrive as Latin-1; what is UTF-8 is read as that. */
function decoded(header: string): string {
  if (!/^[\x00-\xff]*$/.test(header)) return header;
  const text = Buffer.from(header, 'latin1').toString();
  return text.includes('\ufffd') ? header : text;
}

/** `X-Error-Message` of a 401 for a token that the hub does not know or that has expired, whatever the code beside it. */
export const INVALID_TOKEN_MESSAGE = 'Invalid credentials in Authorization header';
