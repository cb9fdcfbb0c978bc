import { join } from 'node:path';
import { type FileServerSetup, retryAfterSeconds } from './file-server-setup.ts';

/** Caddy cannot slow a response down, so it has no `slow`. */
export function caddyConfig({ folder, root, port, tlsPort, certificate }: FileServerSetup): string {
  return `{
  admin off
  auto_https off
  grace_period 1s
  storage file_system ${join(folder, 'storage')}
  servers {
    protocols h1 h2
  }
  log {
    output stderr
    level ERROR
  }
}
(answers) {
  bind 127.0.0.1
  root * ${root}
  handle_path /files/* {
    route {
      @busy file {path}.busy
      @throttled file {path}.throttled
      @portal file {path}.portal
      respond @busy 503
      header @throttled Retry-After ${retryAfterSeconds}
      respond @throttled 429
      rewrite @portal /portal.html
      file_server
    }
  }
  handle_path /whole/* {
    request_header -Range
    file_server
  }
  handle_path /packed/* {
    encode {
      gzip
      minimum_length 1
      match {
        header Content-Type *
      }
    }
    file_server
  }
  handle /loop/* {
    redir {uri} 302
  }
  handle_path /capped/* {
    rewrite * /files{path}
    reverse_proxy 127.0.0.1:${port} {
      unhealthy_request_count 1
      fail_duration 1s
      max_fails 1000
    }
  }
}
http://127.0.0.1:${port} {
  import answers
}
https://127.0.0.1:${tlsPort} {
  tls ${certificate.certificateFile} ${certificate.keyFile}
  import answers
}
`;
}
