import {
  type FieldOutline,
  INVALID,
  type Invalid,
  mismatch,
  picture,
  type Report,
  type Schema,
  within,
} from './schema.ts';
import { suggest } from './suggest.ts';

/** A field that need not be there. */
export interface OptionalField<T> {
  readonly optional: true;
  readonly schema: Schema<T>;
}

/** A field with a default. */
export interface DefaultedField<T> {
  readonly optional: false;
  readonly schema: Schema<T>;
  readonly fallback: T;
}

type FieldOf<T> = Schema<T> | OptionalField<T> | DefaultedField<T>;
// biome-ignore lint/suspicious/noExplicitAny: fields of any type; the types come back by inference.
type AnyField = FieldOf<any>;
type Fields = Readonly<Record<string, AnyField>>;

type TypeOf<F> = F extends FieldOf<infer T> ? T : never;
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends { readonly optional: true } ? K : never }[keyof F];
/** The type of an object with these fields. */
export type ObjectOf<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: TypeOf<F[K]>;
} & { readonly [K in OptionalKeys<F>]?: TypeOf<F[K]> };

/** For a field of an object: it may be absent. */
export function optional<T>(schema: Schema<T>): OptionalField<T> {
  return { optional: true, schema };
}

/** For a field of an object: what stands when it is absent. */
export function defaulted<T>(schema: Schema<T>, fallback: NoInfer<T>): DefaultedField<T> {
  return { optional: false, schema, fallback };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function reportUnknown(
  value: Readonly<Record<string, unknown>>,
  fields: Fields,
  path: string,
  report: Report,
): boolean {
  let found = false;
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(fields, key)) continue;
    found = true;
    const known = Object.keys(fields);
    const meant = suggest(key, known);
    const hint = meant === undefined ? `expected one of ${known.join(', ')}` : `did you mean ${meant}?`;
    report(within(path, key), `is not a field that is known here: ${hint}`);
  }
  return found;
}

function readField(field: AnyField, value: unknown, path: string, report: Report): unknown {
  if (!('schema' in field)) return field.read(value, path, report);
  if (value !== undefined) return field.schema.read(value, path, report);
  return field.optional ? undefined : field.fallback;
}

function outlineOf(field: AnyField): FieldOutline {
  if (!('schema' in field)) return { outline: field.outline, presence: 'required' };
  const { outline } = field.schema;
  if (field.optional) return { outline, presence: 'optional' };
  return { outline, presence: 'defaulted', fallback: field.fallback };
}

/** An object of these fields and no others. */
export function object<const F extends Fields>(fields: F): Schema<ObjectOf<F>> {
  const expects = `an object with ${Object.keys(fields).join(', ')}`;
  const outlines = Object.entries(fields).map(([key, field]) => [key, outlineOf(field)] as const);
  return {
    expects,
    outline: { type: 'object', fields: Object.fromEntries(outlines) },
    read(value, path, report): ObjectOf<F> | Invalid {
      if (!isObject(value)) return mismatch(value, expects, path, report);
      let valid = !reportUnknown(value, fields, path, report);
      const parsed: Record<string, unknown> = {};
      for (const [key, field] of Object.entries(fields)) {
        const own = Object.hasOwn(value, key) ? value[key] : undefined;
        const read = readField(field, own, within(path, key), report);
        if (read === INVALID) valid = false;
        else if (read !== undefined) parsed[key] = read;
      }
      return valid ? (Object.freeze(parsed) as ObjectOf<F>) : INVALID;
    },
  };
}

/** An object whose keys are the author's: labels, annotations. */
export function dictionary<T>(key: Schema<string>, item: Schema<T>, maxSize = 64): Schema<Readonly<Record<string, T>>> {
  const expects = 'an object';
  return {
    expects,
    outline: { type: 'dictionary', item: item.outline, max: maxSize },
    read(value, path, report) {
      if (!isObject(value)) return mismatch(value, expects, path, report);
      const entries = Object.entries(value);
      if (entries.length > maxSize) {
        report(path, `has ${entries.length} entries, expected at most ${maxSize}`);
        return INVALID;
      }
      let valid = true;
      const parsed: [string, T][] = [];
      for (const [name, one] of entries) {
        const place = within(path, name);
        const readKey = key.read(name, place, report);
        const readItem = item.read(one, place, report);
        if (readKey === INVALID || readItem === INVALID) valid = false;
        else parsed.push([readKey, readItem]);
      }
      return valid ? Object.freeze(Object.fromEntries(parsed)) : INVALID;
    },
  };
}

/** An object that is one of several kinds, told apart by the text in one field. */
export function variant<const K extends string, const V extends Readonly<Record<string, Schema<unknown>>>>(
  key: K,
  variants: V,
): Schema<
  { [T in keyof V & string]: V[T] extends Schema<infer U> ? U & { readonly [P in K]: T } : never }[keyof V & string]
> {
  type One = { [T in keyof V & string]: V[T] extends Schema<infer U> ? U & { readonly [P in K]: T } : never }[keyof V &
    string];
  const names = Object.keys(variants);
  const expects = `an object whose ${key} is ${names.join(' or ')}`;
  const outlines = Object.entries(variants).map(([name, { outline }]) => [name, outline] as const);
  return {
    expects,
    outline: { type: 'variant', key, variants: Object.fromEntries(outlines) },
    read(value, path, report) {
      if (!isObject(value)) return mismatch(value, expects, path, report);
      const tag = Object.hasOwn(value, key) ? value[key] : undefined;
      const schema = typeof tag === 'string' && Object.hasOwn(variants, tag) ? variants[tag] : undefined;
      if (schema) return schema.read(value, path, report) as One | Invalid;
      const meant = typeof tag === 'string' ? suggest(tag, names) : undefined;
      const hint = meant === undefined ? '' : `: did you mean ${meant}?`;
      report(within(path, key), `found ${picture(tag)}, expected ${names.join(' or ')}${hint}`);
      return INVALID;
    },
  };
}
