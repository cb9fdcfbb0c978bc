import { fileReply, type Reply, textReply } from './reply.ts';
import type { RepoStore } from './repo-store.ts';
import type { HubRequest } from './request.ts';
import type { HubShape } from './shape.ts';
import type { UrlSigner } from './signed-url.ts';

export interface CdnRouteState {
  readonly repos: RepoStore;
  readonly signer: UrlSigner;
  readonly shape: Pick<HubShape, 'wholeUpTo' | 'cdnAuthorization'>;
  now(): number;
}

/** Answers as an object store behind a CDN does: signed addresses only. */
export function routeCdn(request: HubRequest, url: URL, state: CdnRouteState): Reply {
  if (request.method !== 'GET' && request.method !== 'HEAD') return xmlError(405, 'MethodNotAllowed', 'Not allowed');
  if (request.headers.authorization !== undefined && state.shape.cdnAuthorization === 'refused') {
    return xmlError(400, 'InvalidArgument', 'Only one auth mechanism allowed; Authorization header and signed query');
  }
  const problem = state.signer.check(url, state.now());
  if (problem === 'unsigned') return xmlError(403, 'MissingKey', 'Missing Key-Pair-Id query parameter or cookie value');
  if (problem !== null) return xmlError(403, 'AccessDenied', 'Access denied');
  const file = state.repos.fileAt(url.pathname);
  if (file === null) return xmlError(404, 'NoSuchKey', 'The specified key does not exist.');
  if (request.method === 'GET' && request.range === null && file.size > state.shape.wholeUpTo) {
    return xmlError(400, 'InvalidRequest', 'The whole object is too large for one response; use the Range header.');
  }
  const { content, finalEtag: etag, lastModified } = file;
  const disposition = url.searchParams.get('response-content-disposition');
  const headers: Record<string, string> = {
    'X-Cache': 'Hit from cloudfront',
    ...(disposition === null ? {} : { 'Content-Disposition': disposition }),
  };
  return fileReply(request, { content, etag, lastModified, headers });
}

function xmlError(status: number, code: string, message: string): Reply {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return textReply(status, body, { 'X-Cache': 'Error from cloudfront' }, 'text/xml');
}
