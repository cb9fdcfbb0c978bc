import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findCommand } from './find-command.ts';

export interface Certificate {
  /** For a self-signed one, also the certificate that a client must trust. */
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A certificate authority for tests. */
export interface Authority {
  /** The certificate that a client must trust. */
  readonly certificateFile: string;
  /** A certificate for 127.0.0.1, or for other names in openssl's notation: `DNS:hive.example`. */
  issue(name: string, subjectAltName?: string): Promise<Certificate>;
}

const validDays = '2';
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const loopback = 'IP:127.0.0.1';

/** A self-signed certificate for 127.0.0.1. @throws Error when openssl is not installed */
export async function makeCertificate(folder: string): Promise<Certificate> {
  return request(folder, '', ['-subj', '/CN=127.0.0.1', '-addext', `subjectAltName=${loopback}`]);
}

/** @throws Error when openssl is not installed */
export async function makeAuthority(folder: string): Promise<Authority> {
  // openssl's defaults make it an authority.
  const root = await request(folder, 'authority-', ['-subj', '/CN=an authority for tests']);
  const signed = ['-CA', root.certificateFile, '-CAkey', root.keyFile];
  return {
    certificateFile: root.certificateFile,
    issue(name, subjectAltName = loopback) {
      const extensions = ['-addext', `subjectAltName=${subjectAltName}`, '-addext', 'basicConstraints=CA:FALSE'];
      return request(folder, `${name}-`, ['-subj', `/CN=${name}`, ...extensions, ...signed]);
    },
  };
}

async function request(folder: string, prefix: string, words: readonly string[]): Promise<Certificate> {
  const openssl = findCommand('openssl');
  if (openssl === null) throw new Error('openssl is not installed');
  const certificateFile = join(folder, `${prefix}certificate.pem`);
  const keyFile = join(folder, `${prefix}key.pem`);
  const files = ['-keyout', keyFile, '-out', certificateFile];
  await promisify(execFile)(openssl, ['req', '-x509', ...newKey, '-days', validDays, ...words, ...files]);
  return { certificateFile, keyFile };
}
