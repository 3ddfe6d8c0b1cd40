/** Heads, chunk frames and trailers as text of one byte per character (RFC 9112, 3 to 7). */
import type { HeaderList } from '../http/header-list.ts';
import type { RequestHead } from '../http/message.ts';
import { reasonPhrase } from '../http/status.ts';

function fieldLines(headers: HeaderList): string {
  const flat = headers.flat;
  let text = '';
  for (let i = 0; i < flat.length; i += 2) text += `${flat[i]}: ${flat[i + 1]}\r\n`;
  return text;
}

/** Status line and fields, without the empty line that ends them. */
export function responseHeadText(status: number, headers: HeaderList): string {
  return `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n${fieldLines(headers)}`;
}

/** Request line, Host and fields, without the empty line that ends them. */
export function requestHeadText(head: RequestHead): string {
  const target = head.method === 'CONNECT' ? head.authority : head.path;
  return `${head.method} ${target} HTTP/1.1\r\nhost: ${head.authority}\r\n${fieldLines(head.headers)}`;
}

/** The line before a chunk of that many bytes. */
export function chunkLine(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

/** Fields that a trailer section may not hold (RFC 9110, 6.5.1): they would change what was acted on already. */
const NOT_IN_TRAILERS = new Set([
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'keep-alive',
  'max-forwards',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The last chunk, with the trailers that may be sent. */
export function lastChunkText(trailers: HeaderList | undefined): string {
  if (!trailers || trailers.size === 0) return '0\r\n\r\n';
  trailers.removeWhere((name) => NOT_IN_TRAILERS.has(name));
  return `0\r\n${fieldLines(trailers)}\r\n`;
}
