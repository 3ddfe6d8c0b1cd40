/** HTTP/1.1 as it is on the wire, read by something that is neither of the two data planes. */

export interface WireMessage {
  /** The request line or the status line. */
  readonly start: string;
  /** As they came, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** What said where the body ends. */
  readonly framing: 'none' | 'length' | 'chunked' | 'close';
  readonly trailers: readonly (readonly [name: string, value: string])[];
}

/** What is known of a message that bytes alone do not tell: whether a body can follow. */
export interface Reading {
  readonly isResponse: boolean;
  /** Of the request that is answered. */
  readonly method?: string;
}

function splitFields(lines: readonly string[]): (readonly [string, string])[] {
  return lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });
}

function value(headers: WireMessage['headers'], name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1];
}

function readChunks(
  text: string,
  from: number,
): { readonly body: string; readonly trailers: WireMessage['trailers']; readonly end: number } | undefined {
  let at = from;
  let body = '';
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    at = lineEnd + 2;
    if (size > 0) {
      if (text.length < at + size + 2) return undefined;
      body += text.slice(at, at + size);
      at += size + 2;
      continue;
    }
    const lines: string[] = [];
    for (;;) {
      const end = text.indexOf('\r\n', at);
      if (end < 0) return undefined;
      const line = text.slice(at, end);
      at = end + 2;
      if (line === '') return { body, trailers: splitFields(lines), end: at };
      lines.push(line);
    }
  }
}

/**
 * The first message of `text` (in latin1), and where it ends; undefined while it is not complete. `isEnded`: nothing
 * more will come, which ends a body without a length.
 */
export function readMessage(
  text: string,
  { isResponse, method }: Reading,
  isEnded = false,
): { readonly message: WireMessage; readonly end: number } | undefined {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [start = '', ...lines] = text.slice(0, headEnd).split('\r\n');
  const headers = splitFields(lines);
  const at = headEnd + 4;
  const make = (
    framing: WireMessage['framing'],
    body: string,
    end: number,
    trailers: WireMessage['trailers'] = [],
  ) => ({
    message: { start, headers, body, framing, trailers },
    end,
  });
  const status = Number(start.split(' ')[1]);
  const isTunnel = isResponse && (status === 101 || (method === 'CONNECT' && status < 300));
  if (isResponse && (method === 'HEAD' || status < 200 || status === 204 || status === 304 || isTunnel)) {
    return make('none', '', at);
  }
  if (value(headers, 'transfer-encoding') !== undefined) {
    const chunks = readChunks(text, at);
    return chunks && make('chunked', chunks.body, chunks.end, chunks.trailers);
  }
  const length = value(headers, 'content-length');
  if (length !== undefined) {
    const end = at + Number(length);
    return text.length < end ? undefined : make('length', text.slice(at, end), end);
  }
  if (!isResponse) return make('none', '', at);
  return isEnded ? make('close', text.slice(at), text.length) : undefined;
}

/** Head and body of a message of one's own. */
export function httpText(start: string, headers: readonly string[], body = ''): string {
  return `${[start, ...headers].join('\r\n')}\r\n\r\n${body}`;
}
