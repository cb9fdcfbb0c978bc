/** Why a TLS connection failed, and what to do. */
export interface TlsProblem {
  /** A phrase about the other side: "its certificate has expired". */
  readonly what: string;
  readonly hint: string;
}

const NOT_TRUSTED =
  /^(?:UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|CERT_UNTRUSTED|CERT_CHAIN_TOO_LONG|INVALID_CA|PATH_LENGTH_)/;
const NO_TLS = /^(?:EPROTO|ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG|ERR_SSL_HTTP_REQUEST)$/;
const ANY = /^(?:CERT_|CRL_|ERR_TLS_|ERR_SSL_)/;

/** The server sent only its own certificate, and this machine does not know who signed it. */
const NO_INTERMEDIATE = 'UNABLE_TO_VERIFY_LEAF_SIGNATURE';
const INTERMEDIATE_HINT =
  'the server seems to leave out its intermediate certificate: it should send the whole chain. Until it does, or for a private authority, start this program with NODE_EXTRA_CA_CERTS=/path/to/ca.pem (the intermediate itself, not only the root)';
const AUTHORITY_HINT =
  'for a private authority, or a proxy that inspects TLS, start this program with NODE_EXTRA_CA_CERTS=/path/to/ca.pem';

/** Node.js only prints a warning if it cannot read the file, and continues without it. */
function unreadExtraHint(): string | null {
  if (!process.env['NODE_EXTRA_CA_CERTS']) return null;
  // Loaded when it is needed: commands that connect to nothing start faster.
  const { getCACertificates } = process.getBuiltinModule('node:tls');
  if (getCACertificates('extra').length > 0) return null;
  return 'NODE_EXTRA_CA_CERTS is set, but no certificate was read from its file when this program started: check that the file exists, can be read and is PEM, then restart';
}

/** Explains the code of Node.js or OpenSSL for a failed connection; null if it has nothing to do with TLS. */
export function tlsProblemOf(code: string): TlsProblem | null {
  if (NOT_TRUSTED.test(code)) {
    const hint = unreadExtraHint() ?? (code === NO_INTERMEDIATE ? INTERMEDIATE_HINT : AUTHORITY_HINT);
    return { what: `its certificate is not trusted (${code})`, hint };
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const hint = 'use a name or address from the certificate, or get a certificate for this address';
    return { what: `its certificate is for another name (${code})`, hint };
  }
  if (code === 'CERT_HAS_EXPIRED') {
    return {
      what: `its certificate has expired (${code})`,
      hint: 'renew the certificate, or correct the clock of this machine',
    };
  }
  if (code === 'CERT_NOT_YET_VALID') {
    return { what: `its certificate is not valid yet (${code})`, hint: 'correct the clock of this machine' };
  }
  if (NO_TLS.test(code)) {
    return {
      what: `it does not speak TLS (${code})`,
      hint: 'for plain HTTP, use http:// in its address',
    };
  }
  return ANY.test(code)
    ? { what: `TLS failed (${code})`, hint: 'check the certificate and the clocks of both machines' }
    : null;
}
