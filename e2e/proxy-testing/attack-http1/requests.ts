/** Requests of HTTP/1.1 in which one thing is wrong, named by that. */
import { httpText } from '../wire.ts';

/** What must not come out of any of these as a request of its own. */
export const SMUGGLED: string = httpText('GET /smuggled HTTP/1.1', ['Host: any.test']);

export const HOST = 'Host: any.test';
export const CHUNKED = 'Transfer-Encoding: chunked';

export interface Refused {
  readonly name: string;
  readonly bytes: string;
}

const shown = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

/** By the fields. */
export function post(headers: readonly string[], body: string): Refused {
  return { name: headers.map(shown).join(' '), bytes: httpText('POST /attack HTTP/1.1', [HOST, ...headers], body) };
}

/** By the body, of chunks. */
export function chunks(body: string): Refused {
  return { name: `chunks ${shown(body)}`, bytes: httpText('POST /attack HTTP/1.1', [HOST, CHUNKED], body) };
}

/** By the first line, or by fields without which it would be good. */
export function start(line: string, headers: readonly string[] = [HOST]): Refused {
  return { name: `${shown(line)} ${headers.map(shown).join(' ')}`, bytes: httpText(line, headers) };
}

export const raw = (bytes: string): Refused => ({ name: shown(bytes), bytes });
