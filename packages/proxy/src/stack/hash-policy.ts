/**
 * What a route hashes of a request, compiled when configuration arrives
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto, RouteAction.HashPolicy).
 */
import { requestField } from '../access-log/operators.ts';
import { combined, type Hash64, hex, xxHash64 } from '../cluster/balancing/hash64.ts';
import { addressText } from '../config/core.ts';
import type { HashPolicyConfig } from '../config/hash-policy.ts';
import type { RequestHead } from '../http/message.ts';
import { rewritten } from './redirect.ts';
import { queryParameter } from './route-match.ts';
import type { StreamInfo } from './stream-info.ts';

/** The request, and where a cookie goes that the client is given to come back with. */
export interface HashedRequest {
  readonly head: RequestHead;
  readonly info: StreamInfo;
  setCookie(field: string): void;
}

/** Undefined where the request has nothing of what is hashed. */
export type HashPolicy = (request: HashedRequest) => Hash64 | undefined;

/** Of each field of that name; in which order they came makes no difference. */
function hashOfFields(config: NonNullable<HashPolicyConfig['header']>): HashPolicy {
  const field = config.header_name.toLowerCase();
  const { regex_rewrite: rewrite } = config;
  const change = (value: string): string => (rewrite ? rewritten(value, rewrite) : value);
  const isPseudo = field.startsWith(':') || field === 'host';
  return ({ head }) => {
    if (isPseudo) {
      const value = requestField(head, field);
      return value === undefined ? undefined : xxHash64(change(value));
    }
    const { flat } = head.headers;
    let first: string | undefined;
    let more: string[] | undefined;
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] !== field) continue;
      const value = change(flat[i + 1] as string);
      if (first === undefined) first = value;
      else if (more) more.push(value);
      else more = [first, value];
    }
    if (!more) return first === undefined ? undefined : xxHash64(first);
    more.sort();
    return more.reduce<Hash64 | undefined>((hash, value) => xxHash64(value, hash), undefined);
  };
}

/** The value of the first cookie of that name, without quotes; '' where there is none (RFC 6265, 5.4). */
export function cookieValue(head: RequestHead, name: string): string {
  const { flat } = head.headers;
  for (let i = 0; i < flat.length; i += 2) {
    if (flat[i] !== 'cookie') continue;
    for (const pair of (flat[i + 1] as string).split(';')) {
      const equals = pair.indexOf('=');
      if (equals === -1 || pair.slice(0, equals).trimStart() !== name) continue;
      const value = pair.slice(equals + 1);
      return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
  }
  return '';
}

type CookieConfig = NonNullable<HashPolicyConfig['cookie']>;

function setCookieField({ name, path, attributes }: CookieConfig, ttlS: number, value: string): string {
  const parts = [`${name}="${value}"`];
  if (ttlS > 0) parts.push(`Max-Age=${ttlS}`);
  if (path !== '') parts.push(`Path=${path}`);
  for (const attribute of attributes) {
    parts.push(attribute.value === '' ? attribute.name : `${attribute.name}=${attribute.value}`);
  }
  return [...parts, 'HttpOnly'].join('; ');
}

/** A client without the cookie is given one, which is the same for all requests of its connection. */
function hashOfCookie(config: CookieConfig): HashPolicy {
  const ttlS = config.ttl === undefined ? undefined : Math.floor(config.ttl / 1000);
  return (request) => {
    const value = cookieValue(request.head, config.name);
    if (value !== '') return xxHash64(value);
    if (ttlS === undefined) return undefined;
    const { remoteHost, remotePort, localHost, localPort } = request.info.downstream;
    const remote = addressText({ type: 'tcp', host: remoteHost, port: remotePort });
    const local = addressText({ type: 'tcp', host: localHost, port: localPort });
    const made = hex(xxHash64(remote + local));
    request.setCookie(setCookieField(config, ttlS, made));
    return xxHash64(made);
  };
}

/** The hash of the address of a client; undefined where it has none. */
export function hashOfAddress(host: string): Hash64 | undefined {
  return host === '' ? undefined : xxHash64(host);
}

function compileOne(config: HashPolicyConfig): HashPolicy | undefined {
  const { header, cookie, connection_properties: connection, query_parameter: query } = config;
  if (header) return hashOfFields(header);
  if (cookie) return hashOfCookie(cookie);
  if (connection?.source_ip) return ({ info }) => hashOfAddress(info.remoteHost);
  if (!query) return undefined;
  return ({ head }) => {
    const value = queryParameter(head.path, query.name);
    return value === undefined ? undefined : xxHash64(value);
  };
}

/** Undefined where a route hashes nothing. */
export function compileHashPolicy(policies: readonly HashPolicyConfig[]): HashPolicy | undefined {
  const steps = policies.flatMap((config) => {
    const policy = compileOne(config);
    return policy ? [{ policy, isTerminal: config.terminal }] : [];
  });
  if (steps.length === 0) return undefined;
  return (request) => {
    let hash: Hash64 | undefined;
    for (const { policy, isTerminal } of steps) {
      const next = policy(request);
      if (next) hash = combined(hash, next);
      if (isTerminal && hash) break;
    }
    return hash;
  };
}
