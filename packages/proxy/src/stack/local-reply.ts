/** Answers that the proxy itself gives, and what the configuration makes of them. */
import type { LocalReplyConfig, ResponseMapperConfig } from '../config/http.ts';
import { ResponseHead } from '../http/message.ts';
import { GRPC_TYPE, grpcMessage, grpcStatusOfHttp, isGrpcRequest } from './grpc.ts';
import { applyChanges, changeLevels, type HeaderChanges } from './header-changes.ts';
import { compileFilter, type InfoFilter, type LogFilterContext } from './log-filter.ts';
import type { StreamInfo } from './stream-info.ts';

export interface LocalReply {
  readonly status: number;
  readonly body: string;
  /** Bits of the response flags. */
  readonly flags: number;
  /** For `%RESPONSE_CODE_DETAILS%`; without spaces. */
  readonly details: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** What a gRPC request is told; absent: what the HTTP status stands for. */
  readonly grpcStatus?: number;
  /** Whether it is whole as it is: what the route changes of responses is not changed of it. */
  readonly isWhole?: boolean;
}

interface Mapper {
  readonly matches: InfoFilter;
  readonly config: ResponseMapperConfig;
  readonly changes: readonly HeaderChanges[];
}

/** A reply as it is sent. */
export interface MadeReply {
  readonly head: ResponseHead;
  readonly body: Buffer;
}

export class LocalReplies {
  readonly #mappers: readonly Mapper[];
  readonly #config: LocalReplyConfig | undefined;

  constructor(config: LocalReplyConfig | undefined, context?: LogFilterContext) {
    this.#config = config;
    this.#mappers = (config?.mappers ?? []).map((mapper) => ({
      matches: compileFilter(mapper.filter, context),
      config: mapper,
      changes: changeLevels([{ remove: [], add: mapper.headers_to_add }]),
    }));
  }

  /**
   * The head and body of a reply. `info` holds its flags and details already, and `head` may hold fields that others
   * want in it; it is the one that is given back.
   */
  make(reply: LocalReply, info: StreamInfo, head: ResponseHead = new ResponseHead(reply.status)): MadeReply {
    info.response = head;
    const mapped = this.#mapperOf(info);
    const mapper = mapped?.config;
    if (mapper?.status_code !== undefined) head.status = mapper.status_code;
    info.localReplyBody = mapper?.body?.toString() ?? reply.body;
    const format = mapper?.body_format_override ?? this.#config?.body_format;
    const body = format ? Buffer.from(format.write(info), 'latin1') : Buffer.from(info.localReplyBody);
    for (const [name, value] of reply.headers ?? []) head.headers.add(name, value);
    if (body.length > 0) {
      // A 204 says no length, whatever it was given for a body (RFC 9110, 8.6).
      if (head.status !== NO_CONTENT) head.headers.set('content-length', String(body.length));
      if (format) head.headers.set('content-type', format.contentType);
      else if (!head.headers.has('content-type')) head.headers.add('content-type', 'text/plain');
    } else head.headers.remove('content-type');
    if (mapped) applyChanges(mapped.changes, head.headers, info);
    if (info.request && isGrpcRequest(info.request)) return grpcReply(reply, head, body);
    head.bodyLength = body.length;
    return { head, body };
  }

  #mapperOf(info: StreamInfo): Mapper | undefined {
    for (const mapper of this.#mappers) if (mapper.matches(info)) return mapper;
    return undefined;
  }
}

const NO_BODY = Buffer.alloc(0);
const NO_CONTENT = 204;

/** The same for a gRPC client: the head is all of it, and says how the call ended. */
function grpcReply({ grpcStatus }: LocalReply, head: ResponseHead, body: Buffer): MadeReply {
  const { headers, status } = head;
  headers.remove('content-length');
  headers.set('content-type', GRPC_TYPE);
  if (!headers.has('grpc-status')) headers.add('grpc-status', String(grpcStatus ?? grpcStatusOfHttp(status)));
  if (body.length > 0) headers.set('grpc-message', grpcMessage(body.toString()));
  head.status = 200;
  head.bodyLength = 0;
  return { head, body: NO_BODY };
}
