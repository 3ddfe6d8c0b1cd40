/** The head of a response (RFC 9112, 4 and 6.3). */
import { HeaderList } from '../http/header-list.ts';
import { hasNoBody, ResponseHead } from '../http/message.ts';
import { type Framing, readFields } from './fields.ts';
import { VIOLATIONS, type Violation } from './violation.ts';

/** A response's head with what its version says of the connection. */
export interface ReadResponse {
  readonly head: ResponseHead;
  /** HTTP/1.0 servers close after the response unless they say otherwise; later versions count as 1 (RFC 9110, 2.5). */
  readonly minor: 0 | 1;
}

/**
 * Reads the whole head of a response to a request with `method`, each line with its CRLF, without the empty line at the
 * end. `framing` is filled. A body that only the end of the connection ends has length -1 and no `framing.chunked`.
 */
export function readResponseHead(
  text: string,
  method: string,
  framing: Framing,
  maxFields: number,
): ReadResponse | Violation {
  const lineEnd = text.indexOf('\n');
  if (text.charCodeAt(lineEnd - 1) !== 13) return VIOLATIONS.bareLineFeed;
  const line = text.substring(0, lineEnd - 1);
  if (!/^HTTP\/1\.\d \d{3}(?: [\t\x20-\x7e\x80-\xff]*)?$/.test(line)) return VIOLATIONS.statusLine;
  const status = (line.charCodeAt(9) - 48) * 100 + (line.charCodeAt(10) - 48) * 10 + (line.charCodeAt(11) - 48);
  if (status < 100 || status > 599) return VIOLATIONS.status;
  const minor = line.charCodeAt(7) === 48 ? 0 : 1;

  const headers = new HeaderList();
  const violation = readFields(text, lineEnd + 1, headers.flat, framing, maxFields);
  if (violation) return violation;
  if (framing.hosts > 0) headers.add('host', framing.host);
  if (framing.chunked && framing.contentLength !== -1) return VIOLATIONS.lengthAndEncoding;
  if (framing.chunked && minor === 0) return VIOLATIONS.transferEncoding;

  const head = new ResponseHead(status, headers);
  if (status === 101) head.upgrade = framing.upgrade?.toLowerCase();
  if (hasNoBody(method, status)) {
    // A body that was told of and may not be may come nevertheless, as if it were the next response.
    if (status === 204 && (framing.chunked || framing.contentLength > 0)) framing.close = true;
    framing.chunked = false;
    if (status < 200 || status === 204) headers.remove('content-length');
  } else head.bodyLength = framing.chunked ? -1 : framing.contentLength;
  return { head, minor };
}
