/** Schema of the RBAC filter for connections. It asks about what a connection has: neither fields nor paths. */
import { choice, durationMs, message, name, optional, type Parsed, text } from '../../config/schema.ts';
import { rulesSchema } from './schema.ts';

const rules = rulesSchema('connections');

export const networkRbac = message('envoy.extensions.filters.network.rbac.v3.RBAC', {
  rules: optional(rules),
  shadow_rules: optional(rules),
  shadow_rules_stat_prefix: text(),
  stat_prefix: name(),
  /** Nothing that is asked about a connection changes while it lasts, so both give the same. */
  enforcement_type: choice(['ONE_TIME_ON_FIRST_BYTE', 'CONTINUOUS']),
  delay_deny: durationMs(),
});

export type NetworkRbacConfig = Parsed<typeof networkRbac>;
