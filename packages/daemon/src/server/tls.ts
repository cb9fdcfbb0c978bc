import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { absolutePath, type Setting, setting } from '../settings/setting.ts';

/** What a daemon shows who it is with, in PEM. */
export interface TlsIdentity {
  /** With the certificates that lead to an authority, where there are any. */
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The files of the settings; both or neither. */
export interface TlsFiles {
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
}

/** The two settings of a daemon with that prefix. */
export function tlsSettings(prefix: string): { [Name in keyof TlsFiles]: Setting<string | null> } {
  return {
    tlsCert: file(
      `${prefix}TLS_CERT`,
      'certificate in PEM, with those that lead to its authority: speak TLS; needs the key',
    ),
    tlsKey: file(`${prefix}TLS_KEY`, 'private key of the certificate, in PEM and without a passphrase'),
  };
}

/** All that is wrong with the files. A setting that is bad by itself is missing here, and told elsewhere. */
export function tlsProblems({ tlsCert, tlsKey }: Partial<TlsFiles>): readonly string[] {
  if (tlsCert === undefined || tlsKey === undefined) return [];
  if (tlsCert === null || tlsKey === null) {
    if (tlsCert === tlsKey) return [];
    return [`TLS needs a certificate and its key, and ${tlsCert === null ? '--tls-cert' : '--tls-key'} is not set`];
  }
  return checkTls(tlsCert, tlsKey).problems;
}

/** A pair as it was read, once: null where it cannot be used, and then there are problems that name the files. */
export interface CheckedTls {
  readonly identity: TlsIdentity | null;
  readonly problems: readonly string[];
}

/** Reads both files and looks whether they can be used together. Files may change: only what was read here is known to be right. */
export function checkTls(tlsCert: string, tlsKey: string): CheckedTls {
  const problems: string[] = [];
  const cert = readOr(problems, '--tls-cert', tlsCert);
  const key = readOr(problems, '--tls-key', tlsKey);
  if (cert !== null && !isCertificate(cert)) problems.push(`--tls-cert: ${tlsCert} has no certificate in PEM`);
  else if (cert !== null && !isChain(cert)) {
    problems.push(`--tls-cert: ${tlsCert} goes on after its certificate with what is none in PEM`);
  }
  if (key !== null && !isKey(key)) {
    problems.push(`--tls-key: ${tlsKey} has no private key in PEM that can be read without a passphrase`);
  }
  if (problems.length === 0 && cert !== null && key !== null && !isPair({ cert, key })) {
    problems.push(`--tls-key: the key of ${tlsKey} is not that of the certificate in ${tlsCert}`);
  }
  const identity = problems.length === 0 && cert !== null && key !== null ? { cert, key } : null;
  return { identity, problems };
}

/** Reads them; null where a daemon is to speak plain HTTP. @throws Error as the file system says */
export function readTls({ tlsCert, tlsKey }: TlsFiles): TlsIdentity | null {
  return tlsCert === null || tlsKey === null ? null : { cert: readFileSync(tlsCert), key: readFileSync(tlsKey) };
}

function file(env: string, doc: string): Setting<string | null> {
  return setting<string | null>({
    env,
    doc,
    defaultText: 'none',
    live: true,
    // A server speaks TLS or does not, from its first connection on.
    needsRestart: (before, after) => (before === null) !== (after === null),
    parse: absolutePath,
    fallback: () => null,
  });
}

function readOr(problems: string[], flag: string, path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    problems.push(`${flag}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
    return null;
  }
}

const isCertificate = (cert: Buffer): boolean =>
  cert.includes('-----BEGIN') && succeeds(() => new X509Certificate(cert));
const isChain = (cert: Buffer): boolean => succeeds(() => createSecureContext({ cert }));
const isKey = (key: Buffer): boolean => succeeds(() => createSecureContext({ key }));
const isPair = (identity: TlsIdentity): boolean => succeeds(() => createSecureContext(identity));

// OpenSSL's own words for what is wrong say nothing to an operator.
function succeeds(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
