import { fstatSync } from 'node:fs';
import type { Socket } from 'node:net';

/**
 * The file descriptor of a connected TCP socket; null where there is none, as on Windows, and where it is not a socket.
 *
 * This is the only file that relies on `socket._handle.fd`, which Node does not document. If a later version removes it or gives it
 * another meaning, the answer is null and a stream goes through `socket.write`.
 */
export function socketDescriptor(socket: Socket): number | null {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: unknown } | null };
  const descriptor = handle?.fd;
  return typeof descriptor === 'number' && isSocket(descriptor) ? descriptor : null;
}

function isSocket(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isSocket();
  } catch {
    return false;
  }
}
