/** What a request carries from one service to the next about the trace that it is part of. */

export interface TraceContext {
  /** 32 digits of lower-case hexadecimal; 16 of older B3 senders. */
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined: there is none. */
  readonly parentId: string | undefined;
  readonly isSampled: boolean;
  /** `tracestate` of W3C; '' where there is none. */
  readonly state: string;
  /** Whether it came with the request. */
  readonly isRemote: boolean;
}
