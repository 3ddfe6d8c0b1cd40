/** gRPC services as values: what generated code writes of each `service`, and what servers and clients are made of. */
import type { MessageType } from '@weft/protobuf';

export type MethodKind = 'unary' | 'client-stream' | 'server-stream' | 'bidi';

export interface Method<Request = never, Response = unknown> {
  /** `/weft.node.v1.Identity/Join`. */
  readonly path: string;
  readonly kind: MethodKind;
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
}

/** The methods of a gRPC service by their name in lowerCamelCase. */
export type ServiceDefinition = Readonly<Record<string, AnyMethod>>;

// biome-ignore lint/suspicious/noExplicitAny: a method of any request and response; the types come back by inference.
export type AnyMethod = Method<any, any>;

export type RequestOf<M extends AnyMethod> = M extends { readonly request: MessageType<infer Request> }
  ? Request
  : never;
export type ResponseOf<M extends AnyMethod> = M extends { readonly response: MessageType<infer Response> }
  ? Response
  : never;
