/** For DNS, the handshake and, where there are several addresses, all attempts together. */
export const CONNECT_TIMEOUT_MS = 15_000;
/**
 * For each address of a name with several. Node.js tries one after the other; its default of 250 ms gives up on a server
 * that is far away. This has room for one lost packet.
 */
const ATTEMPT_TIMEOUT_MS = 3_500;

/** How every socket to a source, or to a proxy, connects. */
export const SOCKET_OPTIONS = {
  autoSelectFamily: true,
  autoSelectFamilyAttemptTimeout: ATTEMPT_TIMEOUT_MS,
} as const;

/** What curl accepts of the headers of a response, all together. Signed cookies and policies are long. */
export const MAX_HEADER_BYTES = 300 * 1024;
