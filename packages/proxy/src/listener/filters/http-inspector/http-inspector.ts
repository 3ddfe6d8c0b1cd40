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

const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const METHOD_START = /^[!#$%&'*+.^_`|~0-9A-Za-z-]/;

/**
 * What stands after a method and a target: '' where nothing does, since a line without a version is of HTTP/0.9;
 * undefined where it is no request line. Words are cut apart in one pass: blanks may be as many as a line is long.
 */
function versionOf(line: string): string | undefined {
  const words = line.split(/[ \t]+/);
  if (words.length > 2 && words.at(-1) === '') words.pop();
  const [method = '', target = '', version = '', ...more] = words;
  if (!METHOD.test(method) || target === '' || /[\r\0]/.test(target) || more.length > 0) return undefined;
  return version;
}

/** Reads the start of a connection, as far as it came; `bytes` is not empty. */
export function readHttpOpening(bytes: Buffer): HttpOpening {
  const size = Math.min(bytes.length, PREFACE.length);
  if (bytes.compare(PREFACE, 0, size, 0, size) === 0) return size < PREFACE.length ? 'more' : 'h2c';
  const end = bytes.indexOf(10);
  if (end === -1) return METHOD_START.test(bytes.toString('latin1', 0, 1)) ? 'more' : 'other';
  const line = bytes.toString('latin1', 0, bytes[end - 1] === 13 ? end - 1 : end);
  const version = versionOf(line);
  if (version === undefined) return 'other';
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
