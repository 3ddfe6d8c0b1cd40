/** Schemas of policies, which give them compiled (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/rbac/v3/rbac.proto). */

import { cidrRange } from '../../config/cidr.ts';
import { stringMatcher, stringMatcherMessage, textPredicate } from '../../config/core.ts';
import { type HeaderMatch, headerMatcher } from '../../config/header-match.ts';
import { type MetadataPredicate, metadataMatcher } from '../../config/metadata-match.ts';
import { MAX_PORT, portRange } from '../../config/port-range.ts';
import {
  built,
  choice,
  flag,
  later,
  list,
  message,
  number,
  optional,
  required,
  type Schema,
} from '../../config/schema.ts';
import { uriTemplate } from '../../config/uri-template.ts';
import { headerMatches } from '../../stack/route-match.ts';
import type { DownstreamInfo } from '../../stack/stream-info.ts';
import { ALWAYS, allOf, type Condition, NEVER, not, ofConnection, ofRequest, oneOf, peerNames } from './condition.ts';

/** What policies are asked about. */
export type Scope = 'requests' | 'connections';

type ConditionFields = Readonly<Record<string, Schema<Condition | undefined>>>;

/** A message of which one field says what is asked. */
function oneCondition(messageName: string, fields: ConditionFields): Schema<Condition> {
  const schema = message(messageName, fields, (given, place) => {
    if (Object.values(given).every((condition) => condition === undefined)) {
      place.refuse(`needs one of ${Object.keys(fields).join(', ')}`);
    }
  });
  return built(schema, (given) => Object.values(given).find((condition) => condition !== undefined) ?? NEVER);
}

function condition<T>(schema: Schema<T>, compile: (value: T) => Condition): Schema<Condition | undefined> {
  return optional(built(schema, compile));
}

const any: Schema<Condition | undefined> = optional(
  built(flag(), (given, place) => {
    if (!given) place.refuse('must be true');
    return ALWAYS;
  }),
);

/** The path ends where the query or a fragment begins. */
function pathAlone(target: string): string {
  const end = target.search(/[?#]/);
  return end === -1 ? target : target.slice(0, end);
}

const urlPath = condition(
  message('envoy.type.matcher.v3.PathMatcher', { path: required(optional(stringMatcher)) }),
  ({ path }) => ofRequest(({ head }) => head.path !== '' && path !== undefined && path(pathAlone(head.path))),
);

const matchingTemplate = condition(uriTemplate, ({ pattern }) =>
  ofRequest(({ head }) => pattern.test(pathAlone(head.path))),
);

function headerCondition(match: HeaderMatch): Condition {
  return ofRequest(({ head }) => headerMatches(match, head));
}

function metadataCondition(matches: MetadataPredicate | undefined, source: 'DYNAMIC' | 'ROUTE'): Condition {
  if (!matches) return NEVER;
  if (source === 'DYNAMIC') return ofRequest(({ info }) => matches((name) => info.dynamicMetadata?.get(name)));
  return ofRequest(({ route }) => {
    if (!route) return false;
    const metadata = route.metadata as { readonly filter_metadata?: Readonly<Record<string, unknown>> } | undefined;
    return matches((name) => metadata?.filter_metadata?.[name]);
  });
}

const sourcedMetadata = condition(
  message('envoy.config.rbac.v3.SourcedMetadata', {
    metadata_matcher: required(optional(metadataMatcher)),
    metadata_source: choice(['DYNAMIC', 'ROUTE']),
  }),
  ({ metadata_matcher, metadata_source }) => metadataCondition(metadata_matcher, metadata_source),
);

/** What only requests have. */
const OF_REQUESTS: ConditionFields = {
  header: condition(headerMatcher, headerCondition),
  url_path: urlPath,
  metadata: condition(metadataMatcher, (matches) => metadataCondition(matches, 'DYNAMIC')),
  sourced_metadata: sourcedMetadata,
};

function ipCondition(address: (connection: DownstreamInfo) => string): Schema<Condition | undefined> {
  return condition(cidrRange, (range) => ofConnection((connection) => range.contains(address(connection))));
}

/** The client that forwarded headers tell of, where they are believed. */
const remoteIp = condition(cidrRange, (range) =>
  ofConnection((connection) => {
    const isDirect = range.contains(connection.remoteHost);
    return ({ info }) => (info.remoteHost === connection.remoteHost ? isDirect : range.contains(info.remoteHost));
  }),
);

/** As in Envoy the name is known only where the tls_inspector looked for it. */
const requestedServerName = condition(stringMatcher, (matches) =>
  ofConnection(({ requestedServerName: serverName }) => matches(serverName ?? '')),
);

const PERMISSION = 'envoy.config.rbac.v3.Permission';

function permissionSchema(scope: Scope): Schema<Condition> {
  const nested = later(PERMISSION, () => permission);
  const rules = message(`${PERMISSION}.Set`, { rules: list(nested, { min: 1 }) });
  const permission = oneCondition(PERMISSION, {
    and_rules: condition(rules, (set) => allOf(set.rules)),
    or_rules: condition(rules, (set) => oneOf(set.rules)),
    any,
    ...(scope === 'requests' ? { ...OF_REQUESTS, uri_template: matchingTemplate } : {}),
    destination_ip: ipCondition(({ localHost }) => localHost),
    destination_port: condition(number(0, { max: MAX_PORT }), (port) =>
      ofConnection(({ localPort }) => localPort === port),
    ),
    destination_port_range: condition(portRange, ({ start, end }) =>
      ofConnection(({ localPort }) => localPort >= start && localPort < end),
    ),
    not_rule: condition(nested, not),
    requested_server_name: requestedServerName,
  });
  return permission;
}

const authenticated = condition(
  message(
    'envoy.config.rbac.v3.Principal.Authenticated',
    { principal_name: optional(stringMatcherMessage) },
    (value, place) => {
      const { principal_name: matcher } = value;
      if (matcher && !textPredicate(matcher)) {
        place.within('principal_name', () =>
          place.refuse('needs one of exact, prefix, suffix, contains and safe_regex'),
        );
      }
    },
  ),
  ({ principal_name: matcher }) => {
    const matches = matcher && textPredicate(matcher);
    if (!matches) return ofConnection(({ tls }) => tls !== undefined);
    const names = matcher.exact !== undefined && !matcher.ignore_case ? new Set([matcher.exact]) : undefined;
    return ofConnection(({ tls }) => tls !== undefined && peerNames(tls).some(matches), names);
  },
);

const PRINCIPAL = 'envoy.config.rbac.v3.Principal';

function principalSchema(scope: Scope): Schema<Condition> {
  const nested = later(PRINCIPAL, () => principal);
  const ids = message(`${PRINCIPAL}.Set`, { ids: list(nested, { min: 1 }) });
  const ofPeer = ipCondition(({ remoteHost }) => remoteHost);
  const principal = oneCondition(PRINCIPAL, {
    and_ids: condition(ids, (set) => allOf(set.ids)),
    or_ids: condition(ids, (set) => oneOf(set.ids)),
    any,
    authenticated,
    source_ip: ofPeer,
    direct_remote_ip: ipCondition(({ remoteHost, directRemoteHost = remoteHost }) => directRemoteHost),
    remote_ip: scope === 'requests' ? remoteIp : ofPeer,
    ...(scope === 'requests' ? OF_REQUESTS : {}),
    not_id: condition(nested, not),
  });
  return principal;
}

/** A policy: what may be done, and by whom, as one condition. `condition` (CEL) is not supported. */
export function policySchema(scope: Scope): Schema<Condition> {
  return built(
    message('envoy.config.rbac.v3.Policy', {
      permissions: list(permissionSchema(scope), { min: 1 }),
      principals: list(principalSchema(scope), { min: 1 }),
    }),
    ({ permissions, principals }) => allOf([oneOf(principals), oneOf(permissions)]),
  );
}
