import { X509Certificate } from 'node:crypto';
import { Server as TlsServer } from 'node:tls';
import { SettingsError } from '../settings/read-settings.ts';
import type { Renewal } from '../settings/reload.ts';
import type { Server } from './server.ts';
import { checkTls, type TlsFiles, type TlsIdentity } from './tls.ts';

/** The framework's own name for the servers that it made beside the one that it shows. */
const OTHER_SERVERS = 'fastify.serverBindings';

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
      for (const server of tlsServersOf(app)) server.setSecureContext({ ...next });
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

// At the host "localhost" the framework listens on 127.0.0.1 and ::1 by a server for each, and shows one of them. No
// public way leads to the other, which would keep a certificate until it has expired.
function tlsServersOf(app: Server): readonly TlsServer[] {
  const symbol = Object.getOwnPropertySymbols(app).find(({ description }) => description === OTHER_SERVERS);
  const others = symbol === undefined ? [] : (Reflect.get(app, symbol) as readonly unknown[]);
  return [app.server, ...others].filter((server): server is TlsServer => server instanceof TlsServer);
}
