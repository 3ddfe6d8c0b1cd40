/** How a response tells where its body ends, and whether the connection does (RFC 9112, 6 and 9.3). */
import { hasNoBody, type ResponseHead } from '../http/message.ts';

export type BodyFraming = 'length' | 'chunked' | 'until-close' | 'tunnel';

/** A way, and the field that says it; '' where none does, or the response says it already. */
export interface Framed {
  readonly framing: BodyFraming;
  readonly line: string;
}

const SAID: Framed = { framing: 'length', line: '' };
const EMPTY: Framed = { framing: 'length', line: 'content-length: 0\r\n' };
const CHUNKED: Framed = { framing: 'chunked', line: 'transfer-encoding: chunked\r\n' };
const UNTIL_CLOSE: Framed = { framing: 'until-close', line: '' };

/** `method`: of the request. `end`: no body follows. */
export function frameBody(method: string, head: ResponseHead, end: boolean, isHttp10: boolean): Framed {
  if (hasNoBody(method, head.status) || head.headers.has('content-length')) return SAID;
  if (end) return EMPTY;
  return isHttp10 ? UNTIL_CLOSE : CHUNKED;
}

export function connectionLine(closes: boolean, isHttp10: boolean): string {
  if (closes) return 'connection: close\r\n';
  return isHttp10 ? 'connection: keep-alive\r\n' : '';
}
