/**
 * Schemas of the part of the Envoy API that the proxy honours. The codec of @weft/envoy-api has already checked types,
 * names and enum values; a schema says which fields are supported, gives defaults, and turns what is said into what is
 * used (durations into milliseconds, an `Any` into its message). Everything else is refused by name and path. A schema
 * can describe itself, so that the documentation of what is supported comes from here.
 */

/** Something that was asked for and cannot be done, or that does not fit together. */
export interface ConfigIssue {
  readonly path: string;
  readonly message: string;
}

function stepText(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`;
  return step.startsWith('[') ? step : `.${step}`;
}

/** Where a schema is in the configuration, and what it found there. */
export class Place {
  readonly issues: ConfigIssue[] = [];
  readonly #steps: (string | number)[] = [];
  readonly #resource: string;
  /** What was read ahead, by what was given for it; undefined where nothing was. */
  readonly ahead: Map<unknown, unknown> | undefined;

  /** `resource`: what is read, unlike any other. */
  constructor(root = '', resource = '', ahead?: Map<unknown, unknown>) {
    if (root !== '') this.#steps.push(root);
    this.#resource = resource;
    this.ahead = ahead;
  }

  /** The resource and the path: the same for each thread that reads the same, and no other's. */
  get identity(): string {
    return `${this.#resource} ${this.path}`;
  }

  get path(): string {
    return this.#steps.map(stepText).join('').replace(/^\./, '');
  }

  refuse(message: string): void {
    this.issues.push({ path: this.path, message });
  }

  /** What follows is inside of this field or item, until `leave`. */
  enter(step: string | number): void {
    this.#steps.push(step);
  }

  leave(): void {
    this.#steps.pop();
  }

  within<T>(step: string | number, read: () => T): T {
    this.enter(step);
    const result = read();
    this.leave();
    return result;
  }
}

export const NOT_SUPPORTED = "not supported by Weft's proxy";

export interface MessageDescription {
  readonly type: 'message';
  readonly name: string;
  /** What is supported of it; asked for late, as messages contain themselves. */
  readonly fields: () => Readonly<Record<string, Description>>;
}

/** What a schema says of itself. */
export type Description = (
  | { readonly type: 'value'; readonly what: string; readonly bounds?: string; readonly defaultValue?: string }
  | { readonly type: 'list'; readonly items: Description; readonly min: number; readonly max: number }
  | { readonly type: 'map'; readonly values: Description }
  | { readonly type: 'one-of'; readonly what: string; readonly choices: readonly string[] }
  | { readonly type: 'any'; readonly messages: readonly Description[] }
  | MessageDescription
) & {
  /** Whether the field must be there, or may be absent, which is not the same as any value then. */
  readonly presence?: 'required' | 'optional';
};

export interface Schema<T> {
  /** Gives the value; tells `place` what is wrong. `undefined`: the field is absent. */
  parse(value: unknown, place: Place): T;
  readonly description: Description;
}

/** What a schema gives. */
export type Parsed<S> = S extends Schema<infer T> ? T : never;

export interface MessageSchema<T> extends Schema<T> {
  readonly name: string;
  readonly fields: Readonly<Record<string, Schema<unknown>>>;
}

type Fields = Readonly<Record<string, Schema<unknown>>>;
type ParsedFields<F extends Fields> = { readonly [K in keyof F]: Parsed<F[K]> };

/**
 * A message with the fields that are supported. `check` looks at the whole once all fields are read and none was
 * refused.
 */
export function message<F extends Fields>(
  name: string,
  fields: F,
  check?: (value: ParsedFields<F>, place: Place) => void,
): MessageSchema<ParsedFields<F>> {
  const entries = Object.entries(fields);
  // Copies of one object share its shape, and take less room than objects that grow field by field.
  const shape = Object.fromEntries(entries.map(([key]) => [key, undefined]));
  return {
    name,
    fields,
    description: { type: 'message', name, fields: () => descriptionsOf(fields) },
    parse(value, place) {
      const given = (value ?? {}) as Record<string, unknown>;
      const before = place.issues.length;
      for (const key of Object.keys(given)) {
        if (key === '@type' || Object.hasOwn(fields, key)) continue;
        place.within(key, () => place.refuse(NOT_SUPPORTED));
      }
      const result: Record<string, unknown> = { ...shape };
      for (const [key, schema] of entries) {
        place.enter(key);
        result[key] = schema.parse(given[key], place);
        place.leave();
      }
      if (check && place.issues.length === before) check(result as ParsedFields<F>, place);
      return result as ParsedFields<F>;
    },
  };
}

function descriptionsOf(fields: Fields): Readonly<Record<string, Description>> {
  return Object.fromEntries(Object.entries(fields).map(([key, { description }]) => [key, description]));
}

function value<T>(
  what: string,
  parse: (value: unknown, place: Place) => T,
  told: { readonly defaultValue?: string; readonly bounds?: string } = {},
): Schema<T> {
  const description: Description = { type: 'value', what, ...told };
  return { parse, description };
}

/** The field may be absent. */
export function optional<T>(schema: Schema<T>): Schema<T | undefined> {
  return {
    description: { ...schema.description, presence: 'optional' },
    parse: (given, place) => (given === undefined ? undefined : schema.parse(given, place)),
  };
}

/** The field must be there. */
export function required<T>(schema: Schema<T>): Schema<T> {
  return {
    description: { ...schema.description, presence: 'required' },
    parse(given, place) {
      if (given === undefined) place.refuse('is needed here');
      return schema.parse(given, place);
    },
  };
}

export function text(defaultText = ''): Schema<string> {
  const defaultValue = JSON.stringify(defaultText);
  return value('string', (given) => (given ?? defaultText) as string, { defaultValue });
}

/** A string that must not be empty. */
export function name(): Schema<string> {
  const parse = (given: unknown, place: Place): string => {
    if (given === undefined || given === '') place.refuse('must not be empty');
    return (given ?? '') as string;
  };
  return value('string', parse, { bounds: 'not empty' });
}

export function flag(defaultFlag = false): Schema<boolean> {
  return value('bool', (given) => (given ?? defaultFlag) as boolean, { defaultValue: String(defaultFlag) });
}

/** A number, 64-bit integers among them. */
export function number(defaultNumber = 0, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): Schema<number> {
  return value(
    'number',
    (given, place) => {
      const parsed = Number(given ?? defaultNumber);
      if (parsed < min || parsed > max) place.refuse(`must be from ${min} to ${max}, got ${parsed}`);
      return parsed;
    },
    { defaultValue: String(defaultNumber), ...boundsOf(min, max) },
  );
}

function boundsOf(min: number, max: number): { readonly bounds?: string } {
  if (max === Number.MAX_SAFE_INTEGER) return min === 0 ? {} : { bounds: `at least ${min}` };
  return { bounds: min === 0 ? `at most ${max}` : `${min} to ${max}` };
}

/** Milliseconds of a duration such as `0.250s`; `min` is the least of one that is given. */
export function durationMs(defaultMs = 0, { min = 0 } = {}): Schema<number> {
  return value(
    'duration',
    (given, place) => {
      if (given === undefined) return defaultMs;
      // The API counts nanoseconds; what is lost below is not.
      const ms = Math.round(Number((given as string).slice(0, -1)) * 1e9) / 1e6;
      if (ms < 0) place.refuse(`must not be negative, got ${given}`);
      else if (ms < min) place.refuse(`must be at least ${min / 1000}s, got ${given}`);
      return ms;
    },
    { defaultValue: `${defaultMs / 1000}s`, ...(min > 0 ? { bounds: `at least ${min / 1000}s` } : {}) },
  );
}

/** Bytes of base64. */
export function bytes(): Schema<Buffer> {
  return value('bytes', (given) => Buffer.from((given ?? '') as string, 'base64'));
}

/** One of the values of an enum; absent means the first. Values that are not listed are refused. */
export function choice<const C extends string>(choices: readonly [C, ...C[]]): Schema<C> {
  return {
    description: { type: 'one-of', what: 'enum', choices },
    parse(given, place) {
      const chosen = (given ?? choices[0]) as C;
      if (!choices.includes(chosen)) place.refuse(`${chosen} is ${NOT_SUPPORTED}, only ${choices.join(', ')}`);
      return chosen;
    },
  };
}

/** A field that may be given only as what it is anyway; `what` says which that is. */
export function only(allowed: (given: unknown) => boolean, what: string): Schema<undefined> {
  return value(`only ${what}`, (given, place) => {
    if (given !== undefined && !allowed(given)) place.refuse(`${NOT_SUPPORTED} but as ${what}`);
    return undefined;
  });
}

/** A message of which nothing may be set: its presence is what it says. */
export function presence(): Schema<boolean> {
  return value('presence', (given, place) => {
    for (const key of Object.keys((given ?? {}) as object)) {
      if (key !== '@type') place.within(key, () => place.refuse(NOT_SUPPORTED));
    }
    return given !== undefined;
  });
}

/** Anything; kept as it is: metadata, what is told on but not acted on, and what others read. */
export function whole(what = 'any value'): Schema<unknown> {
  return value(what, (given) => given);
}

/** A free-form object, of strings to anything. */
export function struct(): Schema<Readonly<Record<string, unknown>> | undefined> {
  return value('object', (given) => given as Readonly<Record<string, unknown>> | undefined);
}

/** One for all lists that are empty, and one for all maps that are absent: there are many. */
const NOTHING: readonly never[] = [];
const NO_ENTRIES: ReadonlyMap<string, never> = new Map<string, never>();

export function list<T>(items: Schema<T>, { min = 0, max = Number.POSITIVE_INFINITY } = {}): Schema<readonly T[]> {
  return {
    description: { type: 'list', items: items.description, min, max },
    parse(given, place) {
      const entries = (given ?? NOTHING) as readonly unknown[];
      if (entries.length < min) place.refuse(min === 1 ? 'must have an entry' : `must have at least ${min} entries`);
      if (entries.length > max) place.refuse(`has ${entries.length} entries; ${NOT_SUPPORTED} beyond ${max}`);
      if (entries.length === 0) return NOTHING;
      return entries.map((entry, index) => {
        place.enter(index);
        const item = items.parse(entry, place);
        place.leave();
        return item;
      });
    },
  };
}

export function map<T>(values: Schema<T>): Schema<ReadonlyMap<string, T>> {
  return {
    description: { type: 'map', values: values.description },
    parse(given, place) {
      if (given === undefined) return NO_ENTRIES;
      const entries = Object.entries(given as Record<string, unknown>);
      return new Map(
        entries.map(([key, entry]) => [
          key,
          place.within(`[${JSON.stringify(key)}]`, () => values.parse(entry, place)),
        ]),
      );
    },
  };
}

type AnyChoices = Readonly<Record<string, MessageSchema<unknown>>>;
type ParsedAny<M extends AnyChoices> = {
  [K in keyof M]: { readonly type: K; readonly value: Parsed<M[K]> };
}[keyof M];

/**
 * A message inside an `Any`, of one of the listed types; `type` is the key under which the type is listed. What it gives
 * after it refused something is never used.
 */
export function anyOf<M extends AnyChoices>(choices: M): Schema<ParsedAny<M>> {
  const messages = Object.values(choices).map(({ description }) => description);
  const byTypeName = new Map(Object.entries(choices).map(([type, schema]) => [schema.name, { type, schema }]));
  return {
    description: { type: 'any', messages },
    parse(given, place) {
      if (given === undefined) {
        place.refuse('is needed here');
        return undefined as never;
      }
      const typeUrl = (given as { readonly '@type'?: string })['@type'];
      if (typeUrl === undefined) {
        place.refuse(`has no @type, which must be that of ${[...byTypeName.keys()].join(', ')}`);
        return undefined as never;
      }
      const found = byTypeName.get(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
      if (!found) {
        place.refuse(`${typeUrl} is ${NOT_SUPPORTED}, only ${[...byTypeName.keys()].join(', ')}`);
        return undefined as never;
      }
      return { type: found.type, value: found.schema.parse(given, place) } as ParsedAny<M>;
    },
  };
}

/** A message that may have been read ahead of what it is part of, at the same place. */
export function readAhead<T>(schema: MessageSchema<T>): MessageSchema<T> {
  return {
    ...schema,
    parse: (given, place) => (place.ahead?.has(given) ? (place.ahead.get(given) as T) : schema.parse(given, place)),
  };
}

/** A schema that is only known later, for messages that contain themselves. */
export function later<T>(name: string, schema: () => Schema<T>): Schema<T> {
  const fields = (): Readonly<Record<string, Description>> => {
    const { description } = schema();
    return description.type === 'message' ? description.fields() : {};
  };
  return { description: { type: 'message', name, fields }, parse: (given, place) => schema().parse(given, place) };
}

/**
 * What a schema gives, made into something else; `build` may tell `place` what is wrong. It is called even when the
 * schema refused something.
 */
export function built<T, U>(schema: MessageSchema<T>, build: (value: T, place: Place) => U): MessageSchema<U>;
export function built<T, U>(schema: Schema<T>, build: (value: T, place: Place) => U): Schema<U>;
export function built<T, U>(schema: Schema<T>, build: (value: T, place: Place) => U): Schema<U> {
  return { ...schema, parse: (given, place) => build(schema.parse(given, place), place) };
}
