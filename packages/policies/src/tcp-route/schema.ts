/** The schema of `TCPRoute` (`gateway.networking.k8s.io/v1alpha2`) as far as Weft does it; the rest is refused. */
import { type KindSchema, schema } from '@weft/model';
import { backendRefs, parentRefs, ruleName } from '../shared/references.ts';

const { checked, list, object, optional, refused } = schema;

const weighted = checked(backendRefs, (backends) =>
  backends.some(({ weight }) => weight > 0)
    ? undefined
    : 'sends connections nowhere: expected a backend with a weight over 0',
);

export const tcpRouteSchema: KindSchema<'TCPRoute'> = {
  apiVersion: 'gateway.networking.k8s.io/v1alpha2',
  spec: object({
    parentRefs,
    // Rules of a TCPRoute match every connection, so a second one would never be used.
    rules: list(object({ name: optional(ruleName), backendRefs: weighted }), { min: 1, max: 1 }),
    useDefaultGateways: optional(refused('is for routes of a Gateway: leave it out')),
  }),
};
