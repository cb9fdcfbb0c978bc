import { join } from 'node:path';
import { type FileServerSetup, retryAfterSeconds, slowKibPerSecond } from './file-server-setup.ts';

const modulesFolder = '/usr/lib/apache2/modules';
const modules = ['authz_core', 'alias', 'deflate', 'env', 'filter', 'headers', 'http2', 'ratelimit', 'rewrite', 'ssl'];
/** Apache refuses to serve as root; this user can read what everybody can. */
const nobody = '#65534';

/** Apache lets connections above its limit wait instead of rejecting them, so it has no `capped`. */
export function apacheConfig(setup: FileServerSetup): string {
  const { folder, root, port, tlsPort, certificate, isRoot, requestsAtOnce } = setup;
  const mpm = requestsAtOnce === null ? 'event' : 'prefork';
  const load = [`mpm_${mpm}`, ...modules.filter((name) => mpm === 'event' || name !== 'http2')];
  return `ServerRoot ${folder}
ServerName 127.0.0.1
PidFile ${join(folder, 'apache.pid')}
ErrorLog ${join(folder, 'error.log')}
LogLevel error
${load.map((name) => `LoadModule ${name}_module ${join(modulesFolder, `mod_${name}.so`)}`).join('\n')}
${isRoot ? `User ${nobody}\nGroup ${nobody}` : ''}
${requestsAtOnce === null ? '' : `StartServers ${requestsAtOnce}\nServerLimit ${requestsAtOnce}\nMaxRequestWorkers ${requestsAtOnce}`}
Listen 127.0.0.1:${port}
Listen 127.0.0.1:${tlsPort}
Mutex file:${folder} default
EnableMMAP off
EnableSendfile off
DocumentRoot ${root}
<Directory ${root}>
  Require all granted
</Directory>
<Files portal.html>
  ForceType text/html
</Files>
<IfModule http2_module>
  Protocols h2 http/1.1
</IfModule>
Header always set Retry-After ${retryAfterSeconds} "expr=%{REQUEST_STATUS} == 429"
${['files', 'whole', 'packed', 'slow'].map((name) => `Alias /${name}/ ${root}/`).join('\n')}
RedirectMatch 302 ^(/loop/.*)$ $1
<Location /whole/>
  MaxRanges none
</Location>
<Location /packed/>
  SetOutputFilter DEFLATE
</Location>
<Location /slow/>
  SetOutputFilter RATE_LIMIT
  SetEnv rate-limit ${slowKibPerSecond}
</Location>
<VirtualHost 127.0.0.1:${port}>
${switches(root)}
</VirtualHost>
<VirtualHost 127.0.0.1:${tlsPort}>
  SSLEngine on
  SSLCertificateFile ${certificate.certificateFile}
  SSLCertificateKeyFile ${certificate.keyFile}
${switches(root)}
</VirtualHost>
`;
}

function switches(root: string): string {
  return `  RewriteEngine on
  RewriteCond ${root}/$1.busy -f
  RewriteRule ^/files/(.*)$ - [R=503,L]
  RewriteCond ${root}/$1.throttled -f
  RewriteRule ^/files/(.*)$ - [R=429,L]
  RewriteCond ${root}/$1.portal -f
  RewriteRule ^/files/(.*)$ ${root}/portal.html [L]`;
}
