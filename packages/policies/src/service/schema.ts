/** The schema of `Service` (`weft.mesh/v1`); the README beside it tells what each field does. */
import { type KindSchema, labelsSchema, nameSchema, schema } from '@weft/model';

const { defaulted, list, object, oneOf, optional } = schema;

export const serviceSchema: KindSchema<'Service'> = {
  apiVersion: 'weft.mesh/v1',
  spec: object({
    selector: optional(
      schema.checked(labelsSchema, (labels) =>
        Object.keys(labels).length > 0 ? undefined : 'is empty: expected a label at least, or no selector',
      ),
    ),
    protocol: optional(oneOf('http', 'tcp')),
    serviceAccounts: defaulted(list(nameSchema, { unique: { what: 'name', of: (name) => name } }), []),
  }),
};
