/**
 * Tells by the first line which version of HTTP a client speaks in the clear: HTTP/2 by its preface (RFC 9113, 3.4), the
 * others by their request line (RFC 9112, 3). What is no HTTP is nothing wrong
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/listener_filters/http_inspector).
 */
import { PREFACE } from '../../../http2/frames.ts';
import { CLOSE, DONE, type ListenerFilter, type ListenerFilterContext, MORE } from '../filter.ts';

/** `http_inspector.` */
class HttpInspectorStats {
  http10_found = 0;
  http11_found = 0;
  http2_found = 0;
  http_not_found = 0;
  read_error = 0;
}

/** A request line that has not ended after so many bytes is nobody's. */
const MAX_LINE_BYTES = 65_536;

/** What the first bytes are of; `more`: they can still become several of these. */
export type HttpOpening = 'h2c' | 'http/1.1' | 'http/1.0' | 'other' | 'more';

/** A method, a target, and maybe a version: a line without one is of HTTP/0.9. */
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]+[^ \t\r\n\0]+(?:[ \t]+(\S*)[ \t]*)?$/;
const METHOD_START = /^[!#$%&'*+.^_`|~0-9A-Za-z-]/;

/** Reads the start of a connection, as far as it came; `bytes` is not empty. */
export function readHttpOpening(bytes: Buffer): HttpOpening {
  const size = Math.min(bytes.length, PREFACE.length);
  if (bytes.compare(PREFACE, 0, size, 0, size) === 0) return size < PREFACE.length ? 'more' : 'h2c';
  const end = bytes.indexOf(10);
  if (end === -1) return METHOD_START.test(bytes.toString('latin1', 0, 1)) ? 'more' : 'other';
  const line = bytes.toString('latin1', 0, bytes[end - 1] === 13 ? end - 1 : end);
  const match = REQUEST_LINE.exec(line);
  if (!match) return 'other';
  const version = match[2] ?? '';
  if (version === 'HTTP/1.1') return 'http/1.1';
  return version === '' || /^HTTP\/\d\.\d$/.test(version) ? 'http/1.0' : 'other';
}

export function makeHttpInspector(_config: object, { stats: registry }: ListenerFilterContext): ListenerFilter {
  const stats = registry.share('http_inspector.', 'http_inspector_', {}, () => new HttpInspectorStats());
  return {
    onAccept: (opening) => (opening.transportProtocol === 'tls' ? 'pass' : 'look'),
    look(bytes, opening) {
      const found = readHttpOpening(bytes);
      if (found === 'more') {
        if (bytes.length < MAX_LINE_BYTES) return MORE;
        stats.read_error++;
        return CLOSE;
      }
      if (found === 'other') {
        stats.http_not_found++;
        return DONE;
      }
      if (found === 'h2c') stats.http2_found++;
      else if (found === 'http/1.1') stats.http11_found++;
      else stats.http10_found++;
      opening.applicationProtocols = [found];
      return DONE;
    },
  };
}
