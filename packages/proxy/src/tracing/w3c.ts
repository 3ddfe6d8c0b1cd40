/** W3C Trace Context (https://www.w3.org/TR/trace-context/): `traceparent` and `tracestate`. */
import type { HeaderList } from '../http/header-list.ts';
import type { TraceContext } from './context.ts';

const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;
const SAMPLED = 1;

/** The context of a request; undefined where there is none, or none that holds (then a new trace begins). */
export function readTraceparent(headers: HeaderList): TraceContext | undefined {
  const text = headers.joined('traceparent');
  const match = text === undefined ? null : PARENT.exec(text.trim());
  if (!match) return undefined;
  const [, version, traceId = '', spanId = '', flags = '', more] = match;
  // The first version says no more than this; later ones may, and are read as far as they are alike.
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined;
  return {
    traceId,
    spanId,
    parentId: undefined,
    isSampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0,
    state: headers.joined('tracestate') ?? '',
    isRemote: true,
  };
}

export function writeTraceparent(headers: HeaderList, { traceId, spanId, isSampled, state }: TraceContext): void {
  headers.set('traceparent', `00-${traceId.padStart(32, '0')}-${spanId}-${isSampled ? '01' : '00'}`);
  if (state === '') headers.remove('tracestate');
  else headers.set('tracestate', state);
}
