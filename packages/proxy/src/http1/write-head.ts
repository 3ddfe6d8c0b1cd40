/** Heads, chunk frames and trailers as text of one byte per character (RFC 9112, 3 to 7). */
import type { HeaderList } from '../http/header-list.ts';
import type { RequestHead } from '../http/message.ts';
import { reasonPhrase } from '../http/status.ts';
import { sendableTrailers } from '../http/trailers.ts';

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

/** The last chunk, with the trailers that may be sent. */
export function lastChunkText(trailers: HeaderList | undefined): string {
  const sent = sendableTrailers(trailers);
  return sent ? `0\r\n${fieldLines(sent)}\r\n` : '0\r\n\r\n';
}
