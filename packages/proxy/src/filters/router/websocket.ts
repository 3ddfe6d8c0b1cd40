/**
 * What a WebSocket's opening says in HTTP/1.1 (RFC 6455, 4) and leaves out in HTTP/2 (RFC 8441, 5): the key, and the
 * answer that proves that the server has read it.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Protocol, RequestHead, ResponseHead } from '../../http/message.ts';

const KEY = 'sec-websocket-key';
const ACCEPT = 'sec-websocket-accept';
/** Of RFC 6455, 1.3. */
const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Gives the request a key where the client, as one of HTTP/2, sent none and the upstream needs one. */
export function openWebSocket(head: RequestHead, upstream: Protocol): void {
  if (upstream === 'HTTP/2' || head.headers.has(KEY)) return;
  head.headers.add(KEY, randomBytes(16).toString('base64'));
}

/** Gives a client of HTTP/1.1 the proof where the upstream, as one of HTTP/2, gave none; one of HTTP/2 gets none. */
export function acceptWebSocket(request: RequestHead, response: ResponseHead): void {
  if (request.protocol === 'HTTP/2') {
    response.headers.remove(ACCEPT);
    return;
  }
  const key = request.headers.get(KEY);
  if (key === undefined || response.headers.has(ACCEPT)) return;
  response.headers.add(ACCEPT, createHash('sha1').update(`${key}${MAGIC}`).digest('base64'));
}
