import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
}

const validDays = '2';

/** A self-signed certificate for 127.0.0.1, made with the given openssl. */
export async function makeCertificate(openssl: string, folder: string): Promise<Certificate> {
  const certificateFile = join(folder, 'certificate.pem');
  const keyFile = join(folder, 'key.pem');
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-days', validDays, '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  await promisify(execFile)(openssl, [...request, ...subject, '-keyout', keyFile, '-out', certificateFile]);
  return { certificateFile, keyFile };
}
