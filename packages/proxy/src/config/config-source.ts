/** Schemas of where resources come from: the aggregated stream, streams of their own, and files. */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { isFieldValue, isToken } from '../http1/characters.ts';
import {
  built,
  choice,
  durationMs,
  flag,
  list,
  type MessageSchema,
  message,
  name,
  number,
  optional,
  type Place,
  presence,
  required,
  type Schema,
  text,
} from './schema.ts';
import { transportApiVersion } from './services.ts';

/** Whether a server says what changed, or each time all that there is. */
export type XdsVariant = 'delta' | 'state-of-the-world';

/** How fast requests may follow one another. */
export interface RequestLimitConfig {
  readonly maxTokens: number;
  readonly tokensPerSecond: number;
}

/** A server of resources, and how it is spoken to. */
export interface XdsService {
  readonly cluster: string;
  readonly variant: XdsVariant;
  /** What `:authority` says; undefined: the name of the cluster. */
  readonly authority?: string | undefined;
  readonly metadata?: readonly (readonly [name: string, value: string])[];
  /** Whether the node is said in the first request of a stream alone. */
  readonly saysNodeOnce?: boolean;
  readonly limit?: RequestLimitConfig | undefined;
}

/** Where resources come from. */
export type ResourceSource = (
  | { readonly type: 'ads' }
  | { readonly type: 'grpc'; readonly service: XdsService }
  /** `folder`: where moves are watched in place of those of the file itself. */
  | { readonly type: 'file'; readonly path: string; readonly folder: string | undefined }
  | { readonly type: 'none' }
) & { readonly initialFetchTimeoutMs: number };

const envoyGrpc = message('envoy.config.core.v3.GrpcService.EnvoyGrpc', {
  cluster_name: name(),
  authority: text(),
  skip_envoy_headers: flag(),
});

/** Fields that the stream itself has. */
const NOT_SET = /^(?::.*|host|connection|content-length|content-type|te|transfer-encoding|upgrade|grpc-.*)$/;

function metadataOf({ key, value }: { readonly key: string; readonly value: string }, place: Place) {
  const lower = key.toLowerCase();
  place.within('key', () => {
    if (!isToken(lower)) place.refuse(`${JSON.stringify(key)} is not a field name`);
    else if (NOT_SET.test(lower)) place.refuse(`${lower} may not be set here`);
  });
  const bytes = Buffer.from(value).toString('latin1');
  place.within('value', () => {
    if (!isFieldValue(bytes)) place.refuse('holds a control character');
    // A stream to the control plane is no request of anybody that operators could speak of.
    else if (value.includes('%'))
      place.refuse('holds a command operator, and there is no request that it could tell of');
  });
  return [lower, bytes] as const;
}

const service = message('envoy.config.core.v3.GrpcService', {
  envoy_grpc: required(envoyGrpc),
  timeout: optional(durationMs()),
  initial_metadata: list(
    built(message('envoy.config.core.v3.HeaderValue', { key: name(), value: text() }), metadataOf),
  ),
});

const rateLimitSettings = message('envoy.config.core.v3.RateLimitSettings', {
  max_tokens: number(100, { min: 1 }),
  fill_rate: number(10, { min: 0.001 }),
});

/** A stream of its own to a cluster. `REST` and types that need `xdstp:` names are refused. */
export const xdsService: MessageSchema<XdsService> = built(
  message('envoy.config.core.v3.ApiConfigSource', {
    api_type: required(choice(['GRPC', 'DELTA_GRPC'])),
    transport_api_version: transportApiVersion,
    grpc_services: list(service, { min: 1, max: 1 }),
    set_node_on_first_message_only: flag(),
    rate_limit_settings: optional(rateLimitSettings),
  }),
  ({ api_type, grpc_services, set_node_on_first_message_only, rate_limit_settings: limit }): XdsService => {
    const [given] = grpc_services;
    const authority = given?.envoy_grpc.authority;
    return {
      cluster: given?.envoy_grpc.cluster_name ?? '',
      variant: api_type === 'GRPC' ? 'state-of-the-world' : 'delta',
      ...(authority ? { authority } : {}),
      metadata: given?.initial_metadata ?? [],
      saysNodeOnce: set_node_on_first_message_only,
      ...(limit ? { limit: { maxTokens: limit.max_tokens, tokensPerSecond: limit.fill_rate } } : {}),
    };
  },
);

function requirePath(path: string, what: 'file' | 'folder', place: Place): void {
  try {
    const found = statSync(path);
    if (what === 'folder' && !found.isDirectory()) place.refuse(`${path} is not a folder`);
  } catch {
    place.refuse(`there is no ${what} ${path}`);
  }
}

const pathSource = message(
  'envoy.config.core.v3.PathConfigSource',
  {
    path: name(),
    watched_directory: optional(message('envoy.config.core.v3.WatchedDirectory', { path: name() })),
  },
  ({ path, watched_directory: watched }, place) => {
    place.within('path', () => requirePath(path, 'file', place));
    const folder = watched?.path ?? dirname(path);
    if (watched)
      place.within('watched_directory', () => place.within('path', () => requirePath(folder, 'folder', place)));
  },
);

export const configSource: Schema<ResourceSource> = built(
  message('envoy.config.core.v3.ConfigSource', {
    ads: presence(),
    api_config_source: optional(xdsService),
    path_config_source: optional(pathSource),
    resource_api_version: choice(['AUTO', 'V3']),
    initial_fetch_timeout: durationMs(15_000),
  }),
  (source, place): ResourceSource => {
    const initialFetchTimeoutMs = source.initial_fetch_timeout;
    if (source.ads) return { type: 'ads', initialFetchTimeoutMs };
    if (source.api_config_source) return { type: 'grpc', service: source.api_config_source, initialFetchTimeoutMs };
    const file = source.path_config_source;
    if (file) return { type: 'file', path: file.path, folder: file.watched_directory?.path, initialFetchTimeoutMs };
    place.refuse('needs ads, api_config_source or path_config_source');
    return { type: 'none', initialFetchTimeoutMs };
  },
);
