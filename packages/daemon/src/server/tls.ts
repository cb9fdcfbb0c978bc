import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { absolutePath, type Setting, setting } from '../settings/setting.ts';

/** The certificate and key of a daemon, in PEM. */
export interface TlsIdentity {
  /** Followed by intermediate certificates, if any. */
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The files that the settings name; both or neither. */
export interface TlsFiles {
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
}

/** The two TLS settings of a daemon. */
export function tlsSettings(prefix: string): { [Name in keyof TlsFiles]: Setting<string | null> } {
  return {
    tlsCert: file(`${prefix}TLS_CERT`, 'TLS certificate with its intermediates (PEM); needs --tls-key'),
    tlsKey: file(`${prefix}TLS_KEY`, 'private key of the certificate (PEM, no passphrase)'),
  };
}

/** Every problem of the files. A setting that is invalid by itself is undefined here and reported elsewhere. */
export function tlsProblems({ tlsCert, tlsKey }: Partial<TlsFiles>): readonly string[] {
  if (tlsCert === undefined || tlsKey === undefined) return [];
  if (tlsCert === null || tlsKey === null) {
    if (tlsCert === tlsKey) return [];
    return [`TLS needs a certificate and its key, and ${tlsCert === null ? '--tls-cert' : '--tls-key'} is not set`];
  }
  return checkTls(tlsCert, tlsKey).problems;
}

/** A pair of files, read once. `identity` is null when the pair cannot be used; then the problems name the files. */
export interface CheckedTls {
  readonly identity: TlsIdentity | null;
  readonly problems: readonly string[];
}

/** Reads both files and checks that they belong together. Use the returned bytes: the files may change later. */
export function checkTls(tlsCert: string, tlsKey: string): CheckedTls {
  const problems: string[] = [];
  const cert = readOr(problems, '--tls-cert', tlsCert);
  const key = readOr(problems, '--tls-key', tlsKey);
  if (cert !== null && !isCertificate(cert)) problems.push(`--tls-cert: ${tlsCert} contains no PEM certificate`);
  else if (cert !== null && !isChain(cert)) {
    problems.push(`--tls-cert: ${tlsCert} contains something other than PEM certificates after the first one`);
  }
  if (key !== null && !isKey(key)) {
    problems.push(`--tls-key: ${tlsKey} contains no PEM private key, or one with a passphrase`);
  }
  if (problems.length === 0 && cert !== null && key !== null && !isPair({ cert, key })) {
    problems.push(`--tls-key: the key in ${tlsKey} does not match the certificate in ${tlsCert}`);
  }
  const identity = problems.length === 0 && cert !== null && key !== null ? { cert, key } : null;
  return { identity, problems };
}

/** Reads the files; null for plain HTTP. @throws Error of the file system */
export function readTls({ tlsCert, tlsKey }: TlsFiles): TlsIdentity | null {
  return tlsCert === null || tlsKey === null ? null : { cert: readFileSync(tlsCert), key: readFileSync(tlsKey) };
}

function file(env: string, doc: string): Setting<string | null> {
  return setting<string | null>({
    env,
    doc,
    defaultText: 'none',
    live: true,
    // A server cannot switch between HTTP and TLS.
    needsRestart: (before, after) => (before === null) !== (after === null),
    parse: absolutePath,
    fallback: () => null,
  });
}

function readOr(problems: string[], flag: string, path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    problems.push(`${flag}: cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
    return null;
  }
}

const isCertificate = (cert: Buffer): boolean =>
  cert.includes('-----BEGIN') && succeeds(() => new X509Certificate(cert));
const isChain = (cert: Buffer): boolean => succeeds(() => createSecureContext({ cert }));
const isKey = (key: Buffer): boolean => succeeds(() => createSecureContext({ key }));
const isPair = (identity: TlsIdentity): boolean => succeeds(() => createSecureContext(identity));

// The messages of OpenSSL mean nothing to an operator.
function succeeds(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
