/** Waits for the whole body of a request before it goes on (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/buffer_filter). */
import type { LocalReply } from '../../stack/local-reply.ts';
import type { HttpFilter } from '../filter.ts';
import type { BufferConfig } from './schema.ts';

const TOO_LARGE: LocalReply = {
  status: 413,
  body: 'Payload Too Large',
  flags: 0,
  details: 'request_payload_too_large',
};

/** A filter that answers 413 to a request whose body is longer than the limit, and lets the others go on whole. */
export function makeBuffer(config: BufferConfig): HttpFilter {
  return {
    onRequest(request, levels) {
      const level = levels.at(-1);
      const ofRoute = level?.type === 'buffer' ? level.value : undefined;
      if (request.isComplete || ofRoute?.disabled || request.head.upgrade !== undefined) return 'pass';
      if (request.head.method === 'CONNECT') return 'pass';
      const { max_request_bytes: maxBytes } = ofRoute?.buffer ?? config;
      request.holdBody(maxBytes, (held) => {
        if (held.type === 'partial') {
          request.answer(TOO_LARGE);
          return;
        }
        const { head } = request;
        head.bodyLength = held.bytes.length;
        head.headers.set('content-length', String(held.bytes.length));
        request.resume();
      });
      return 'stop';
    },
  };
}
