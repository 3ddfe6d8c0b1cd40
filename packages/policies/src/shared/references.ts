/** How routes name services: `parentRefs` and `backendRefs` of the Gateway API. */
import { type Backend, nameSchema, type ServiceReference, schema } from '@weft/model';

const { defaulted, integer, list, mapped, object, oneOf, optional, refused, text } = schema;

const port = optional(integer(1, 65535)); // A service has one port, so any is the right one.
const group = text({ minLength: 0, pattern: /^$/, expects: '"", the group of Service' });

const parentRef: schema.Schema<ServiceReference> = mapped(
  object({
    group: defaulted(group, ''),
    kind: oneOf('Service'),
    name: nameSchema,
    namespace: optional(nameSchema),
    port,
    sectionName: optional(refused('is not supported: a Service has one port; leave sectionName out')),
  }),
  ({ name, namespace }) => (namespace === undefined ? { name } : { name, namespace }),
);

/** The services that a route is attached to. */
export const parentRefs: schema.Schema<readonly ServiceReference[]> = list(parentRef, {
  min: 1,
  max: 32,
  unique: { what: 'service', of: ({ namespace, name }) => (namespace === undefined ? name : `${namespace}/${name}`) },
});

const backendRef: schema.Schema<Backend> = mapped(
  object({
    group: defaulted(group, ''),
    kind: defaulted(oneOf('Service'), 'Service'),
    name: nameSchema,
    namespace: optional(nameSchema),
    port,
    weight: defaulted(integer(0, 1_000_000), 1),
    filters: optional(refused('is not supported by Weft 0.1: put filters on the rule')),
  }),
  ({ name, namespace, weight }) => (namespace === undefined ? { name, weight } : { name, namespace, weight }),
);

/** Where the traffic of a rule goes. */
export const backendRefs: schema.Schema<readonly Backend[]> = list(backendRef, { max: 64 });

/** The name of a rule: it shows in metadata and logs. */
export const ruleName: schema.Schema<string> = nameSchema;
