/** The schema of `Service` (`weft.mesh/v1`); the README beside it tells what each field does. */
import { type KindSchema, labelsSchema, nameSchema, type ServiceSpec, schema } from '@weft/model';

const { defaulted, list, object, oneOf, optional } = schema;

const specSchema: schema.Schema<ServiceSpec> = object({
  selector: optional(
    schema.checked(labelsSchema, (labels) =>
      Object.keys(labels).length > 0 ? undefined : 'is empty: expected a label at least, or no selector',
    ),
  ),
  protocol: optional(oneOf('http', 'tcp')),
  serviceAccounts: defaulted(list(nameSchema, { unique: { what: 'name', of: (name) => name } }), []),
});

function isEmpty(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0);
}

/** A selector of labels alone, which every workload of the namespace chooses for itself. */
function isOpen(spec: unknown): boolean {
  if (!schema.isObject(spec) || !schema.isObject(spec.selector)) return false;
  if (Object.keys(spec.selector).length === 0) return false;
  return !Object.hasOwn(spec.selector, 'service') && isEmpty(spec.serviceAccounts);
}

const OPEN =
  'lets every workload of the namespace be this service by its choice of labels: expected the label service, which ' +
  'only a workload of that service has, or the service accounts that may be it in spec.serviceAccounts';

export const serviceSchema: KindSchema<'Service'> = {
  apiVersion: 'weft.mesh/v1',
  spec: {
    ...specSchema,
    read(value, path, report) {
      const parsed = specSchema.read(value, path, report);
      if (!isOpen(value)) return parsed;
      report(schema.within(path, 'selector'), OPEN);
      return schema.INVALID;
    },
  },
};
