/** Heads, chunks and trailers as text of one byte per character (RFC 9112, 3 to 7). */
import type { HeaderList } from '../http/header-list.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { reasonPhrase } from '../http/status.ts';
import { sendableTrailers } from '../http/trailers.ts';
import type { SocketWriter } from '../net/socket-writer.ts';

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

/** The fields of an answer that grants what the client asked to upgrade to; '' of others that begin a tunnel. */
export function upgradeLines({ status, upgrade }: ResponseHead): string {
  return status === 101 ? `connection: upgrade\r\nupgrade: ${upgrade}\r\n` : '';
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

/** Sends bytes as one chunk; false: the far side is slow, send more after the drain. */
export function writeChunk(writer: SocketWriter, bytes: Buffer): boolean {
  writer.text(chunkLine(bytes.length));
  writer.bytes(bytes);
  writer.text('\r\n');
  return !writer.isBlocked;
}

/** The last chunk, with the trailers that may be sent. */
export function lastChunkText(trailers: HeaderList | undefined): string {
  const sent = sendableTrailers(trailers);
  return sent ? `0\r\n${fieldLines(sent)}\r\n` : '0\r\n\r\n';
}
