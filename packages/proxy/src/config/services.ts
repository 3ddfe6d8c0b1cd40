/** Schemas of services that the proxy itself calls: gRPC and HTTP, each through a cluster of the configuration. */
import { compileText, type Format } from '../access-log/format.ts';
import { isFieldValue, isToken } from '../http1/characters.ts';
import { stringMatcher, type TextPredicate } from './core.ts';
import {
  built,
  choice,
  durationMs,
  flag,
  list,
  message,
  name,
  optional,
  type Place,
  required,
  type Schema,
  text,
} from './schema.ts';

/** There is one version of the transport left, which `AUTO` means as well. */
export const transportApiVersion = choice(['AUTO', 'V3']);

/** A field that the proxy adds to its own calls; the value may hold command operators. */
export interface CallField {
  /** In lower case. */
  readonly name: string;
  readonly value: Format;
}

/** Fields that codecs write, and pseudo-fields: nobody else sets them. */
const NOT_SET =
  /^(?::.*|host|connection|content-length|keep-alive|proxy-connection|te|transfer-encoding|upgrade|grpc-.*)$/;

function callFieldOf({ key, value }: { readonly key: string; readonly value: string }, place: Place): CallField {
  const lower = key.toLowerCase();
  place.within('key', () => {
    if (!isToken(lower)) place.refuse(`${JSON.stringify(key)} is not a field name`);
    else if (NOT_SET.test(lower)) place.refuse(`${lower} may not be set here`);
  });
  const bytes = Buffer.from(value).toString('latin1');
  const format = place.within('value', () => {
    if (!isFieldValue(bytes)) place.refuse('holds a control character');
    return compileText(value, '', (problem) => place.refuse(problem));
  });
  return { name: lower, value: format };
}

export const callField: Schema<CallField> = built(
  message('envoy.config.core.v3.HeaderValue', { key: name(), value: text() }),
  callFieldOf,
);

/** A gRPC service, and how it is called. */
export interface GrpcTarget {
  readonly cluster: string;
  /** What `:authority` says; undefined: the name of the cluster. */
  readonly authority: string | undefined;
  /** Undefined: the caller's own default. */
  readonly timeoutMs: number | undefined;
  readonly metadata: readonly CallField[];
  /** Whether what Envoy's own calls say of themselves (`x-envoy-…`) is left out. */
  readonly skipsEnvoyHeaders: boolean;
}

const envoyGrpc = message('envoy.config.core.v3.GrpcService.EnvoyGrpc', {
  cluster_name: name(),
  authority: text(),
  skip_envoy_headers: flag(),
});

/** A gRPC service that a cluster serves. Google's own client (`google_grpc`) and retries are refused by name. */
export const grpcTarget: Schema<GrpcTarget> = built(
  message('envoy.config.core.v3.GrpcService', {
    envoy_grpc: required(envoyGrpc),
    timeout: optional(durationMs()),
    initial_metadata: list(callField),
  }),
  ({ envoy_grpc, timeout, initial_metadata }): GrpcTarget => ({
    cluster: envoy_grpc.cluster_name,
    authority: envoy_grpc.authority === '' ? undefined : envoy_grpc.authority,
    timeoutMs: timeout,
    metadata: initial_metadata,
    skipsEnvoyHeaders: envoy_grpc.skip_envoy_headers,
  }),
);

/** An address of HTTP that a cluster serves. */
export const httpUri = message('envoy.config.core.v3.HttpUri', {
  uri: name(),
  cluster: name(),
  timeout: required(durationMs()),
});

/** Whether one of several texts matches. */
export const stringMatchers: Schema<TextPredicate> = built(
  message('envoy.type.matcher.v3.ListStringMatcher', { patterns: list(stringMatcher, { min: 1 }) }),
  ({ patterns }): TextPredicate =>
    (value) =>
      patterns.some((matches) => matches(value)),
);
