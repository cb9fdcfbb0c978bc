import { X509Certificate } from 'node:crypto';
import { SettingsError } from '../settings/read-settings.ts';
import type { Renewal } from '../settings/reload.ts';
import type { Server } from './server.ts';
import { checkTls, type TlsFiles, type TlsIdentity } from './tls.ts';

/** What a daemon shows that speaks TLS, until another takes its place. */
export interface ServedTls {
  readonly identity: TlsIdentity;
  /** From now on shown to new connections; those that are open, streams among them, go on as they are. */
  readonly renew: (identity: TlsIdentity) => void;
}

/** The TLS of a server that was made with that identity; null where it was made without one. */
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
 * Reads the files again. null where they hold what is in force already, and where none are set any more: to speak TLS
 * no longer needs a restart.
 * @throws SettingsError where they cannot be used; it names them
 */
export function readRenewal(served: ServedTls, { tlsCert, tlsKey }: TlsFiles): Renewal | null {
  if (tlsCert === null || tlsKey === null) return null;
  const { identity, problems } = checkTls(tlsCert, tlsKey);
  if (identity === null) throw new SettingsError(problems);
  if (identity.cert.equals(served.identity.cert) && identity.key.equals(served.identity.key)) return null;
  const validUntil = new X509Certificate(identity.cert).validToDate.toISOString();
  return { shown: { tls_cert: tlsCert, tls_key: tlsKey, validUntil }, use: () => served.renew(identity) };
}
