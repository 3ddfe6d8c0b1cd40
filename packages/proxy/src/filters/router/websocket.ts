/**
 * What a WebSocket's opening says in HTTP/1.1 (RFC 6455, 4) and leaves out in HTTP/2 (RFC 8441, 5): the key, and the
 * answer that proves that the server has read it. The proof that an upstream of HTTP/2 leaves out is its codec's to add.
 */
import { randomBytes } from 'node:crypto';
import type { Protocol, RequestHead } from '../../http/message.ts';

const KEY = 'sec-websocket-key';

/**
 * Gives the request a key where the client, as one of HTTP/2, sent none and the upstream needs one. Whether it did: the
 * proof that comes back is then nothing to the client. A client of HTTP/1.1 that sends none opens no WebSocket, which is the
 * upstream's to say.
 */
export function openWebSocket(head: RequestHead, upstream: Protocol): boolean {
  if (head.protocol !== 'HTTP/2' || upstream === 'HTTP/2' || head.headers.has(KEY)) return false;
  head.headers.add(KEY, randomBytes(16).toString('base64'));
  return true;
}
