import { join } from 'node:path';
import { type NginxPlace, startNginxProcess } from '../process/nginx-process.ts';

export interface NchanOptions {
  readonly command: string;
  /** The file of nginx's module. */
  readonly module: string;
  /** Where nginx may write. */
  readonly folder: string;
  readonly readers: number;
}

type NchanConfig = Omit<NchanOptions, 'command'> & NginxPlace;

const path = '/stream';
const publishPath = '/publish';
/** For the connections that are no readers. */
const spareConnections = 500;
const writableKinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** One worker, as the others have one thread for their streams. It keeps what a late reader needs: the newest event. */
function nchanConfig({ port, module, folder, readers, isRoot }: NchanConfig): string {
  return `daemon off;
load_module ${module};
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr warn;
${isRoot ? 'user root;\n' : ''}events { worker_connections ${readers + spareConnections}; }
http {
  access_log off;
  tcp_nodelay on;
  nchan_shared_memory_size 256M;
${writableKinds.map((kind) => `  ${kind}_temp_path ${join(folder, kind)};\n`).join('')}  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = ${path} {
      nchan_subscriber eventsource;
      nchan_channel_id bench;
      nchan_subscriber_first_message newest;
    }
    location = ${publishPath} {
      nchan_publisher http;
      nchan_channel_id bench;
      nchan_message_buffer_length 1;
    }
  }
}
`;
}

/** nginx with nchan on loopback. The caller stops it. @throws Error with nginx's words when it does not start */
export async function startNchan({ command, ...setup }: NchanOptions, signal: AbortSignal) {
  const configOf = (place: NginxPlace) => nchanConfig({ ...setup, ...place });
  const server = await startNginxProcess(command, setup.folder, configOf, signal);
  return { ...server, path, publishUrl: `http://127.0.0.1:${server.port}${publishPath}` };
}
