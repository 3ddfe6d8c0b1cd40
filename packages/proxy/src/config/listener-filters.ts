/** Schemas of listener filters: one line for each; and of the connections that a filter is not for. */

import { httpInspector } from '../listener/filters/http-inspector/schema.ts';
import { originalDst } from '../listener/filters/original-dst/schema.ts';
import { proxyProtocol } from '../listener/filters/proxy-protocol/schema.ts';
import { tlsInspector } from '../listener/filters/tls-inspector/schema.ts';
import { portRange } from './port-range.ts';
import { anyOf, built, flag, later, list, message, optional, type Parsed, type Schema, text } from './schema.ts';

/** By the name under which `listener/filters/pipeline.ts` lists who makes it. */
export const LISTENER_FILTERS = {
  'tls-inspector': tlsInspector,
  'http-inspector': httpInspector,
  'proxy-protocol': proxyProtocol,
  'original-dst': originalDst,
};

/** Whether something is so for connections to a port. */
export type PortPredicate = (localPort: number) => boolean;

const PREDICATE = 'envoy.config.listener.v3.ListenerFilterChainMatchPredicate';
const nested: Schema<PortPredicate> = later(PREDICATE, () => predicate);

const matchSet = message(`${PREDICATE}.MatchSet`, { rules: list(nested, { min: 2 }) });

const predicate: Schema<PortPredicate> = built(
  message(PREDICATE, {
    or_match: optional(matchSet),
    and_match: optional(matchSet),
    not_match: optional(nested),
    any_match: optional(flag()),
    destination_port_range: optional(portRange),
  }),
  ({ or_match, and_match, not_match, any_match, destination_port_range: range }, place): PortPredicate => {
    if (or_match) return (port) => or_match.rules.some((rule) => rule(port));
    if (and_match) return (port) => and_match.rules.every((rule) => rule(port));
    if (not_match) return (port) => !not_match(port);
    if (range) return (port) => port >= range.start && port < range.end;
    if (any_match !== true) place.refuse('needs a rule; any_match can only be true');
    return () => true;
  },
);

export const listenerFilter = message('envoy.config.listener.v3.ListenerFilter', {
  name: text(),
  filter_disabled: optional(predicate),
  typed_config: anyOf(LISTENER_FILTERS),
});

export type ListenerFilterConfig = Parsed<typeof listenerFilter>;
