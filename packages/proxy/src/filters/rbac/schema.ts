/** Schemas of the RBAC filter. The matchers of the xDS API (`matcher`, `shadow_matcher`) are not supported. */
import {
  built,
  choice,
  flag,
  type MessageSchema,
  map,
  message,
  only,
  optional,
  type Parsed,
  text,
} from '../../config/schema.ts';
import { policySchema, type Scope } from './policy-schema.ts';
import { Rules } from './rules.ts';

function isEmpty(given: unknown): boolean {
  return Object.keys(given as object).length === 0;
}

/** Rules, compiled. */
export function rulesSchema(scope: Scope): MessageSchema<Rules> {
  return built(
    message('envoy.config.rbac.v3.RBAC', {
      action: choice(['ALLOW', 'DENY', 'LOG']),
      policies: map(policySchema(scope)),
      audit_logging_options: only(isEmpty, 'empty'),
    }),
    ({ action, policies }) => new Rules(action, policies),
  );
}

const rules = rulesSchema('requests');

export const rbacFilter = message('envoy.extensions.filters.http.rbac.v3.RBAC', {
  rules: optional(rules),
  rules_stat_prefix: text(),
  shadow_rules: optional(rules),
  shadow_rules_stat_prefix: text(),
  track_per_rule_stats: flag(),
});

export type RbacConfig = Parsed<typeof rbacFilter>;

/** Without `rbac` the filter does nothing there. */
export const rbacPerRoute = message('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', {
  rbac: optional(rbacFilter),
});
