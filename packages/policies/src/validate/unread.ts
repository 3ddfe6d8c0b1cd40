/** Documents that have violations of their own: what they refer to is looked at all the same, so that all is told at once. */
import type { ResourceKey } from '@weft/contracts/bus';
import { nameSchema, schema, scopedName } from '@weft/model';

export interface UnreadDocument {
  readonly source: string;
  readonly key: ResourceKey;
  readonly json: string;
}

export interface UnreadReference {
  readonly serviceKey: string;
  readonly path: string;
}

function isName(value: unknown): value is string {
  return nameSchema.read(value, '', () => undefined) !== schema.INVALID;
}

function fieldOf(value: unknown, name: string): unknown {
  return schema.isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function itemsOf(value: unknown, name: string, path: string): { readonly item: unknown; readonly path: string }[] {
  const list = fieldOf(value, name);
  if (!Array.isArray(list)) return [];
  const place = schema.within(path, name);
  return list.map((item: unknown, index) => ({ item, path: schema.within(place, index) }));
}

/** The services that a route names where it can be read; what cannot be has a violation already. */
export function unreadReferences({ key, json }: UnreadDocument): UnreadReference[] {
  if (!/^(HTTP|TCP)Route$/.test(key.kind) || !isName(key.namespace)) return [];
  const spec = fieldOf(JSON.parse(json), 'spec');
  const backends = itemsOf(spec, 'rules', 'spec').flatMap(({ item, path }) => itemsOf(item, 'backendRefs', path));
  return [...itemsOf(spec, 'parentRefs', 'spec'), ...backends].flatMap(({ item, path }) => {
    const name = fieldOf(item, 'name');
    const namespace = fieldOf(item, 'namespace') ?? key.namespace;
    const isService = (fieldOf(item, 'kind') ?? 'Service') === 'Service' && (fieldOf(item, 'group') ?? '') === '';
    if (!isService || !isName(name) || !isName(namespace)) return [];
    return [{ serviceKey: scopedName(namespace, name), path: `${path}.name` }];
  });
}
