/** Which hosts, and priorities, retries are for; compiled when configuration arrives. */
import { hasAll, lbValues } from '../cluster/balancing/metadata-match.ts';
import type { Host } from '../cluster/host.ts';
import type { RetryPolicyConfig } from '../config/route.ts';

/** Whether a host is passed over, where hosts that were tried before are known. */
export type PassesOver = (host: Host, tried: readonly Host[]) => boolean;

function compileOne(config: RetryPolicyConfig['retry_host_predicate'][number]['typed_config']): PassesOver {
  switch (config.type) {
    case 'previous-hosts':
      return (host, tried) => tried.includes(host);
    case 'omit-canary':
      return ({ endpoint }) => endpoint.metadata.canary === true;
    case 'omit-metadata': {
      const values = lbValues(config.value.metadata_match) ?? {};
      return ({ endpoint }) => Object.keys(values).length > 0 && hasAll(endpoint.metadata, values, true);
    }
  }
}

/** Undefined where any host will do. */
export function compileHostPredicates(predicates: RetryPolicyConfig['retry_host_predicate']): PassesOver | undefined {
  if (predicates.length === 0) return undefined;
  const rules = predicates.map(({ typed_config: config }) => compileOne(config));
  return (host, tried) => rules.some((passesOver) => passesOver(host, tried));
}
