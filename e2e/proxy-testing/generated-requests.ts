/** Requests made by chance: every part may be odd, and the whole is right. */
import fc from 'fast-check';
import { httpText } from './wire.ts';

export interface GeneratedRequest {
  readonly method: string;
  readonly text: string;
}

const segment = fc.constantFrom(
  '',
  '.',
  '..',
  'a',
  'api',
  'users',
  '42',
  'orders',
  '%2e',
  '%2F',
  '%41',
  '~',
  'b;c=d',
  '...',
);
const query = fc.constantFrom('', '?', '?v=2', '?v=2&debug', '?a=%20&b=../c', '?x?y', '?debug');
const path = fc.tuple(fc.array(segment, { maxLength: 5 }), query).map(([parts, text]) => `/${parts.join('/')}${text}`);

const upstreamHost = fc.constantFrom('any.test', 'ANY.test:80', '[::1]:8080', '127.0.0.1');
const anyHost = fc.oneof(upstreamHost, fc.constantFrom('exact.example', 'www.example', 'shop.local'));
const field = fc.constantFrom(
  'X-Version: v2',
  'X-Version: v1',
  'X-Canary: 1',
  'X-Not: 1',
  'X-Secret: s',
  'X-Empty:',
  'X-Spaces:  a  b ',
  'Connection: keep-alive',
  'Connection: x-canary',
  'Keep-Alive: timeout=1',
  'Cookie: a=1',
  'Accept: */*',
  'User-Agent: generated',
  'X-Forwarded-For: 10.0.0.1, 192.168.0.1',
  'X-Forwarded-Proto: https',
  'X-Envoy-Max-Retries: 1',
  'X-Request-Id: not-a-uuid',
  'Via: 1.1 other',
  'TE: trailers',
  'Range: bytes=0-1',
  'If-None-Match: "x"',
  'Upgrade: foo',
);

const content = fc.stringMatching(/^[a-z \r\n:]{0,40}$/);

interface Body {
  readonly headers: readonly string[];
  readonly text: string;
}

const noBody = fc.constant<Body>({ headers: [], text: '' });
const expects = fc.constantFrom<readonly string[]>([], [], ['Expect: 100-continue']);
const sized = fc
  .tuple(content, expects)
  .map(([text, more]): Body => ({ headers: [`Content-Length: ${text.length}`, ...(text === '' ? [] : more)], text }));
const chunked = fc.array(content, { maxLength: 4 }).map((parts): Body => {
  const chunks = parts.filter((text) => text !== '').map((text) => `${text.length.toString(16)}\r\n${text}\r\n`);
  return { headers: ['Transfer-Encoding: chunked'], text: `${chunks.join('')}0\r\n\r\n` };
});

const withBody = fc.tuple(fc.constantFrom('POST', 'PUT', 'PATCH', 'DELETE'), fc.oneof(sized, chunked));
const withoutBody = fc.tuple(fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'OPTIONS', 'DELETE', 'POST'), noBody);

/** Where the proxy answers by itself, Envoy closes the connection rather than read a body. */
const messages = fc.oneof(fc.tuple(withoutBody, anyHost), fc.tuple(withBody, upstreamHost));

const request = fc
  .tuple(messages, path, fc.uniqueArray(field, { maxLength: 5 }))
  .map(([[[method, body], authority], target, fields]): GeneratedRequest => {
    const headers = [`Host: ${authority}`, ...fields, ...body.headers];
    return { method, text: httpText(`${method} ${target} HTTP/1.1`, headers, body.text) };
  });

/** One to three on a connection, one after the other. */
export const generatedRequests: fc.Arbitrary<readonly GeneratedRequest[]> = fc.array(request, {
  minLength: 1,
  maxLength: 3,
});
