/** Why a connection over TLS did not come about, and what to do. */
export interface TlsProblem {
  /** To follow "it" or a host: "its certificate has expired". */
  readonly what: string;
  readonly hint: string;
}

const NOT_TRUSTED =
  /^(?:UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|CERT_UNTRUSTED|CERT_CHAIN_TOO_LONG|INVALID_CA|PATH_LENGTH_)/;
const NO_TLS = /^(?:EPROTO|ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG|ERR_SSL_HTTP_REQUEST)$/;
const ANY = /^(?:CERT_|CRL_|ERR_TLS_|ERR_SSL_)/;

/** What the code of Node.js or OpenSSL for a failed connection means; null where it is none of TLS. */
export function tlsProblemOf(code: string): TlsProblem | null {
  if (NOT_TRUSTED.test(code)) {
    const hint =
      'where it is from an authority of your own, start this program with NODE_EXTRA_CA_CERTS=/path/to/its/certificate.pem';
    return { what: `its certificate is not trusted (${code})`, hint };
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const hint = 'use a name or address that is in the certificate, or have one made for this address';
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
      what: `it does not answer in TLS (${code})`,
      hint: 'where it speaks plain HTTP, its address begins with http://',
    };
  }
  return ANY.test(code)
    ? { what: `TLS failed (${code})`, hint: 'check the certificate and the clocks of both machines' }
    : null;
}
