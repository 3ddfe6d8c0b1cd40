/** B3 propagation (https://github.com/openzipkin/b3-propagation): `b3`, and `x-b3-…` of several headers. */
import type { HeaderList } from '../http/header-list.ts';
import type { TraceContext } from './context.ts';

const TRACE_ID = /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/;
const SPAN_ID = /^[0-9a-f]{16}$/;
const ZEROS = /^0+$/;

/** What came with a request. The decision may come alone: then there is no `context`. */
export interface B3 {
  readonly isSingle: boolean;
  readonly isSampled: boolean | undefined;
  readonly context: TraceContext | undefined;
}

const NOTHING: B3 = { isSingle: false, isSampled: undefined, context: undefined };

function decision(text: string | undefined): boolean | undefined {
  switch (text?.toLowerCase()) {
    case '1':
    case 'd':
    case 'true':
      return true;
    case '0':
    case 'false':
      return false;
    default:
      return undefined;
  }
}

function contextOf(
  traceId: string | undefined,
  spanId: string | undefined,
  parentId: string | undefined,
  isSampled: boolean,
): TraceContext | undefined {
  const [trace, span] = [traceId?.toLowerCase() ?? '', spanId?.toLowerCase() ?? ''];
  if (!TRACE_ID.test(trace) || !SPAN_ID.test(span) || ZEROS.test(trace) || ZEROS.test(span)) return undefined;
  const parent = parentId?.toLowerCase();
  const isParent = parent !== undefined && SPAN_ID.test(parent);
  return {
    traceId: trace,
    spanId: span,
    parentId: isParent ? parent : undefined,
    isSampled,
    state: '',
    isRemote: true,
  };
}

/** `otherwise`: whether a trace is sampled of which the sender does not say so. */
export function readB3(headers: HeaderList, otherwise: boolean): B3 {
  const single = headers.get('b3');
  if (single !== undefined) {
    const parts = single.split('-');
    if (parts.length === 1) return { ...NOTHING, isSingle: true, isSampled: decision(single) };
    const [traceId, spanId, sampled, parentId] = parts;
    const isSampled = decision(sampled);
    return { isSingle: true, isSampled, context: contextOf(traceId, spanId, parentId, isSampled ?? otherwise) };
  }
  const isSampled = headers.get('x-b3-flags') === '1' ? true : decision(headers.get('x-b3-sampled'));
  const traceId = headers.get('x-b3-traceid');
  if (traceId === undefined) return isSampled === undefined ? NOTHING : { ...NOTHING, isSampled };
  const [spanId, parentId] = [headers.get('x-b3-spanid'), headers.get('x-b3-parentspanid')];
  return { isSingle: false, isSampled, context: contextOf(traceId, spanId, parentId, isSampled ?? otherwise) };
}

export function writeB3(headers: HeaderList, context: TraceContext, isSingle: boolean): void {
  const { traceId, spanId, parentId, isSampled } = context;
  const sampled = isSampled ? '1' : '0';
  if (isSingle) {
    headers.set('b3', `${traceId}-${spanId}-${sampled}${parentId === undefined ? '' : `-${parentId}`}`);
    return;
  }
  headers.set('x-b3-traceid', traceId);
  headers.set('x-b3-spanid', spanId);
  if (parentId === undefined) headers.remove('x-b3-parentspanid');
  else headers.set('x-b3-parentspanid', parentId);
  headers.set('x-b3-sampled', sampled);
}
