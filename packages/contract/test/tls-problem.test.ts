import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { tlsProblemOf } from '../src/index.ts';

const MODULE = new URL('../src/tls-problem.ts', import.meta.url).href;

describe('a TLS failure explains what to do', () => {
  it.each([
    ['SELF_SIGNED_CERT_IN_CHAIN', /not trusted/, /NODE_EXTRA_CA_CERTS/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /not trusted/, /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /not trusted/, /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /not trusted/, /NODE_EXTRA_CA_CERTS/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /another name/, /from the certificate/],
    ['CERT_HAS_EXPIRED', /expired/, /renew/],
    ['CERT_NOT_YET_VALID', /not valid yet/, /clock/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /does not speak TLS/, /http:\/\//],
    ['EPROTO', /does not speak TLS/, /http:\/\//],
    ['CERT_REVOKED', /TLS failed/, /certificate/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', /TLS failed/, /certificate/],
  ])('%s', (code, what, hint) => {
    expect(tlsProblemOf(code)).toEqual({ what: expect.stringMatching(what), hint: expect.stringMatching(hint) });
    expect(tlsProblemOf(code)?.what).toContain(code);
  });

  it.each(['', 'ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET', 'UNABLE', 'CERTAIN'])('%j is not one', (code) => {
    expect(tlsProblemOf(code)).toBeNull();
  });

  it('[D2] a server that leaves its intermediate out is told apart from a private authority', () => {
    expect(tlsProblemOf('UNABLE_TO_VERIFY_LEAF_SIGNATURE')?.hint).toMatch(/leave out its intermediate/);
    expect(tlsProblemOf('SELF_SIGNED_CERT_IN_CHAIN')?.hint).not.toMatch(/intermediate/);
  });

  it.each(['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'])(
    '[D2] %s with a NODE_EXTRA_CA_CERTS that was not read names that',
    (code) => {
      // Node.js reads the file when a process starts.
      const script = `import { tlsProblemOf } from ${JSON.stringify(MODULE)}; console.log(tlsProblemOf('${code}').hint)`;
      const env = { ...process.env, NODE_EXTRA_CA_CERTS: '/nowhere/ca.pem' };
      const options = { env, encoding: 'utf8' as const };
      const hint = execFileSync(process.execPath, ['--input-type=module', '-e', script], options);
      expect(hint).toMatch(/^NODE_EXTRA_CA_CERTS is set, but no certificate was read/);
    },
  );
});
