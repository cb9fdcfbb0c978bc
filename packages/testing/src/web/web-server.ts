import { digestsOf, toContent } from '../hub/content.ts';
import { fileReply, type Reply, textReply } from '../hub/reply.ts';
import type { FileSource } from '../hub/repo.ts';
import type { HubRequest } from '../hub/request.ts';
import { type Site, startSite } from './site.ts';

/** A file on a plain server. */
export interface WebFile {
  readonly content: FileSource;
  /** Quoted; default a strong one derived from the content. Null: none. */
  readonly etag?: string | null;
  /** HTTP date; default one of the past. Null: none. */
  readonly lastModified?: string | null;
  /** Added to the usual ones or replacing them; an empty one is omitted. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The response to a HEAD in place of the headers: a status, or headers that say nothing about the file. */
  readonly head?: number | 'silent';
  /** Whether ranges are supported; default yes. */
  readonly ranges?: boolean;
}

export interface WebServer extends Site {
  /** Puts a file at a path, replacing any other; returns its URL. */
  put(path: string, file: WebFile): string;
  /** Redirects a path (`{n}` in the target counts up) with the status, default 302; returns its URL. */
  redirect(path: string, to: string, status?: number): string;
  /** Sends a bare status for a path; returns its URL. */
  refuse(path: string, status: number, headers?: Readonly<Record<string, string>>): string;
}

const PAST = 'Wed, 01 Jan 2025 00:00:00 GMT';

/** A plain file server of the test's own on loopback, as odd as the real ones. */
export async function startWebServer(): Promise<WebServer> {
  const routes = new Map<string, (request: HubRequest) => Reply>();
  const site = await startSite('web', (request, url) => {
    const route = routes.get(url.pathname);
    return route === undefined ? textReply(404, 'Not Found') : route(request);
  });
  const at = (path: string, route: (request: HubRequest) => Reply): string => {
    routes.set(new URL(path, site.url).pathname, route);
    return site.url + path;
  };
  return Object.assign(site, {
    put(path: string, file: WebFile) {
      const served = {
        content: toContent(file.content),
        etag: file.etag === undefined ? `"${digestsOf(toContent(file.content)).sha256.slice(0, 32)}"` : file.etag,
      };
      return at(path, (request) => answerFile(request, file, served));
    },
    redirect(path: string, to: string, status = 302) {
      let count = 0;
      return at(path, () => textReply(status, 'elsewhere', { Location: to.replace('{n}', String(count++)) }));
    },
    refuse: (path: string, status: number, headers: Readonly<Record<string, string>> = {}) =>
      at(path, () => textReply(status, 'refused', headers)),
  });
}

function answerFile(
  request: HubRequest,
  file: WebFile,
  { content, etag }: { content: ReturnType<typeof toContent>; etag: string | null },
): Reply {
  if (request.method === 'HEAD' && file.head !== undefined) {
    return file.head === 'silent' ? { status: 200, headers: {}, body: null } : textReply(file.head, '');
  }
  const asked = file.ranges === false ? { ...request, range: null } : request;
  const reply = fileReply(asked, {
    content,
    etag: etag ?? '',
    lastModified: file.lastModified === undefined ? PAST : (file.lastModified ?? ''),
    headers: { ...(file.ranges === false ? { 'Accept-Ranges': 'none' } : {}), ...file.headers },
  });
  const headers = Object.fromEntries(Object.entries(reply.headers).filter(([, value]) => value !== ''));
  return { ...reply, headers };
}
