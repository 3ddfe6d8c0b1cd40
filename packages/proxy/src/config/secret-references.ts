/**
 * Secrets that are named without a source are those of the bootstrap's `static_resources.secrets`
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/security/secret): one that is not there never comes.
 */
import type { Place } from './schema.ts';

const REFERENCE = /_sds_secret_configs?$/;

function checkReference(reference: unknown, isThere: (name: string) => boolean, place: Place): void {
  const { name = '', sds_config: source } = (reference ?? {}) as {
    readonly name?: string;
    readonly sds_config?: unknown;
  };
  if (source !== undefined || isThere(name)) return;
  place.within('name', () =>
    place.refuse(`${name} is not one of static_resources.secrets, and there is no sds_config`),
  );
}

/** Refuses references to secrets that are nowhere, in a cluster or listener in ProtoJSON. */
export function checkSecrets(value: unknown, isThere: (name: string) => boolean, place: Place): void {
  if (typeof value !== 'object' || value === null) return;
  const items: Iterable<readonly [string | number, unknown]> = Array.isArray(value)
    ? value.entries()
    : Object.entries(value);
  for (const [step, item] of items) {
    if (typeof item !== 'object' || item === null) continue;
    place.enter(step);
    if (typeof step === 'string' && REFERENCE.test(step)) {
      if (!Array.isArray(item)) checkReference(item, isThere, place);
      else for (const [index, one] of item.entries()) place.within(index, () => checkReference(one, isThere, place));
    } else checkSecrets(item, isThere, place);
    place.leave();
  }
}
