import { join } from 'node:path';
import { type FileServerSetup, retryAfterSeconds, slowKibPerSecond } from './file-server-setup.ts';

const writableKinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
/** nginx waits after each write for as long as it should have taken, so smaller writes make a steadier flow. */
const slowWriteKib = 64;

export function nginxConfig(setup: FileServerSetup): string {
  const { folder, root, port, tlsPort, certificate, isRoot } = setup;
  return `daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr warn;
${isRoot ? 'user root;' : ''}
events { worker_connections 256; }
http {
  access_log off;
  sendfile on;
  default_type application/octet-stream;
  types { text/html html; }
${writableKinds.map((kind) => `  ${kind}_temp_path ${join(folder, kind)};`).join('\n')}
  limit_conn_zone $uri zone=by_file:1m;
  server {
    listen 127.0.0.1:${port};
    listen 127.0.0.1:${tlsPort} ssl http2;
    ssl_certificate ${certificate.certificateFile};
    ssl_certificate_key ${certificate.keyFile};
    root ${root};
    location /files/ {
      alias ${root}/;
      if (-f $request_filename.busy) { return 503; }
      if (-f $request_filename.throttled) {
        add_header Retry-After ${retryAfterSeconds} always;
        return 429;
      }
      if (-f $request_filename.portal) { rewrite ^ /portal.html last; }
    }
    location = /portal.html { }
    location /whole/ { alias ${root}/; max_ranges 0; }
    location /packed/ { alias ${root}/; gzip on; gzip_min_length 1; gzip_types *; }
    location /loop/ { return 302 $request_uri; }
    location /capped/ { alias ${root}/; limit_conn by_file 1; }
    location /slow/ { alias ${root}/; limit_rate ${slowKibPerSecond}k; sendfile_max_chunk ${slowWriteKib}k; }
  }
}
`;
}
