/** What routes ask of the metadata of hosts, under `envoy.lb`; compiled when configuration arrives. */

/** A value in one way of writing, so that equal ones are equal texts. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`;
}

/** What tells the subset of hosts with these keys and values from others; keys are sorted. */
export function subsetKey(pairs: readonly (readonly [key: string, value: unknown])[]): string {
  return pairs.map(([key, value]) => `${JSON.stringify(key)}:${canonical(value)}`).join(',');
}

/** Sorted keys as one text. */
export function keyText(keys: readonly string[]): string {
  return keys.join('\0');
}

type Values = Readonly<Record<string, unknown>>;

/** Keys and values that a host is to have. */
export class MetadataMatch {
  readonly values: Values;
  /** Sorted. */
  readonly keys: readonly string[];
  /** The keys as one text. */
  readonly keyText: string;
  /** The {@link subsetKey} of all of them. */
  readonly subset: string;
  readonly #parts = new WeakMap<readonly string[], MetadataMatch>();
  readonly #withOthers = new WeakMap<object, MetadataMatch>();

  constructor(values: Values) {
    this.values = values;
    this.keys = Object.keys(values).sort();
    this.keyText = keyText(this.keys);
    this.subset = subsetKey(this.keys.map((key) => [key, values[key]]));
  }

  /** The part of it under these keys; undefined where it has none of them. Asked with the same list it is made once. */
  part(keys: readonly string[]): MetadataMatch | undefined {
    const known = this.#parts.get(keys);
    if (known) return known;
    const found = keys.filter((key) => Object.hasOwn(this.values, key));
    if (found.length === 0) return undefined;
    const part = new MetadataMatch(Object.fromEntries(found.map((key) => [key, this.values[key]])));
    this.#parts.set(keys, part);
    return part;
  }

  /** With these in place of, or beside, its own. Made once for the same object. */
  with(values: Values): MetadataMatch {
    const known = this.#withOthers.get(values);
    if (known) return known;
    const made = new MetadataMatch({ ...this.values, ...values });
    this.#withOthers.set(values, made);
    return made;
  }
}

/** Of the values of `envoy.lb`, the more specific ones first to last; undefined where there are none. */
export function metadataMatch(...levels: readonly (Values | undefined)[]): MetadataMatch | undefined {
  const values: Values = Object.assign({}, ...levels);
  return Object.keys(values).length === 0 ? undefined : new MetadataMatch(values);
}

/** What metadata of the configuration says under `envoy.lb`. */
export function lbValues(metadata: { readonly filter_metadata: Values | undefined } | undefined): Values | undefined {
  const values = metadata?.filter_metadata?.['envoy.lb'];
  return typeof values === 'object' && values !== null ? (values as Values) : undefined;
}

/** Whether metadata has all these values; `listIsAny`: a list is any of its values. */
export function hasAll(metadata: Values, wanted: Values, listIsAny: boolean): boolean {
  return Object.entries(wanted).every(([key, value]) => {
    const given = metadata[key];
    const text = canonical(value);
    if (listIsAny && Array.isArray(given)) return given.some((one) => canonical(one) === text);
    return given !== undefined && canonical(given) === text;
  });
}
