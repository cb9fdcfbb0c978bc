import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findCommand } from './find-command.ts';

export interface Certificate {
  /** Also what a client has to trust. */
  readonly certificateFile: string;
  readonly keyFile: string;
}

const validDays = '2';

/** A self-signed certificate for 127.0.0.1. @throws Error where openssl is not installed */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const openssl = findCommand('openssl');
  if (openssl === null) throw new Error('openssl is not installed');
  const certificateFile = join(folder, 'certificate.pem');
  const keyFile = join(folder, 'key.pem');
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-days', validDays, '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  await promisify(execFile)(openssl, [...request, ...subject, '-keyout', keyFile, '-out', certificateFile]);
  return { certificateFile, keyFile };
}
