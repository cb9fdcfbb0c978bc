import type { Server, Socket } from 'node:net';

/**
 * Keeps the open connections of a server and answers what ends them all. The server's own way knows only those that speak
 * HTTP: one that has not come to an end with its TLS handshake, or that asked for a tunnel, would hold up its closing.
 */
export function keepConnections(server: Server): () => void {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}
