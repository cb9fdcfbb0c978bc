import { X509Certificate } from 'node:crypto';
import { SettingsError } from '../settings/read-settings.ts';
import type { Renewal } from '../settings/reload.ts';
import type { Server } from './server.ts';
import { checkTls, type TlsFiles, type TlsIdentity } from './tls.ts';

/** The certificate that a daemon uses. */
export interface ServedTls {
  readonly identity: TlsIdentity;
  /** Uses another certificate for new connections. Open ones, such as streams, are not affected. */
  readonly renew: (identity: TlsIdentity) => void;
}

/** The certificate of a server that was created with it; null for plain HTTP. */
export function serveTls(app: Server, started: TlsIdentity | null): ServedTls | null {
  if (started === null) return null;
  let identity = started;
  return {
    get identity() {
      return identity;
    },
    renew(next) {
      app.nodeServers.setTls(next);
      identity = next;
    },
  };
}

/**
 * Reads the files again. null if they have not changed, or are no longer set: switching TLS off needs a restart.
 * @throws SettingsError if they cannot be used; it names them
 */
export function readRenewal(served: ServedTls, { tlsCert, tlsKey }: TlsFiles): Renewal | null {
  if (tlsCert === null || tlsKey === null) return null;
  const { identity, problems } = checkTls(tlsCert, tlsKey);
  if (identity === null) throw new SettingsError(problems);
  if (identity.cert.equals(served.identity.cert) && identity.key.equals(served.identity.key)) return null;
  const validUntil = new X509Certificate(identity.cert).validToDate.toISOString();
  return { shown: { tls_cert: tlsCert, tls_key: tlsKey, validUntil }, use: () => served.renew(identity) };
}
