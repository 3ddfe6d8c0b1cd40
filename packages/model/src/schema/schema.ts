/**
 * A small kit of schemas: type, check, default and error text of outside data in one value. What it is for: every
 * violation is told at once, each with its path and what was expected, and an unknown field is a violation by name.
 */

/** Told of each violation: where (`spec.rules[0].name`, empty for the value itself) and what, in words. */
export type Report = (path: string, message: string) => void;

/** Stands for a value that was reported; nothing is made of it. */
export const INVALID: unique symbol = Symbol('invalid');
export type Invalid = typeof INVALID;

/** What a schema takes, for whoever writes documentation: fields, defaults and limits. */
export type Outline =
  | { readonly type: 'value'; readonly expects: string; readonly limit?: string }
  | { readonly type: 'list'; readonly item: Outline; readonly min: number; readonly max: number }
  | { readonly type: 'dictionary'; readonly item: Outline; readonly max: number }
  | { readonly type: 'object'; readonly fields: Readonly<Record<string, FieldOutline>> }
  | { readonly type: 'variant'; readonly key: string; readonly variants: Readonly<Record<string, Outline>> }
  | { readonly type: 'refused'; readonly reason: string };

export interface FieldOutline {
  readonly outline: Outline;
  readonly presence: 'required' | 'optional' | 'defaulted';
  /** Of a field with a default, what stands when it is absent. */
  readonly fallback?: unknown;
}

export interface Schema<T> {
  /** What is expected, as the end of a sentence: `a number from 1 to 65535`. */
  readonly expects: string;
  readonly outline: Outline;
  /** Gives the parsed value, defaults filled in, or reports what is wrong and gives `INVALID`. */
  read(value: unknown, path: string, report: Report): T | Invalid;
}

/** The type of what a schema gives. */
export type Parsed<S> = S extends Schema<infer T> ? T : never;

/** A short picture of a value for an error text. */
export function picture(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** Reports that something else than `expects` was found. */
export function mismatch(value: unknown, expects: string, path: string, report: Report): Invalid {
  report(
    path,
    value === undefined ? `is missing: expected ${expects}` : `found ${picture(value)}, expected ${expects}`,
  );
  return INVALID;
}

/** The path of a field or item within `path`. */
export function within(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

/** A schema that also holds what it gives to a check; the check returns what is wrong, in words, or undefined. */
export function checked<T>(schema: Schema<T>, check: (value: T) => string | undefined): Schema<T> {
  return {
    expects: schema.expects,
    outline: schema.outline,
    read(value, path, report) {
      const parsed = schema.read(value, path, report);
      if (parsed === INVALID) return INVALID;
      const wrong = check(parsed);
      if (wrong === undefined) return parsed;
      report(path, wrong);
      return INVALID;
    },
  };
}

/** What another schema gives, made into something else. */
export function mapped<T, U>(schema: Schema<T>, change: (value: T) => U): Schema<U> {
  return {
    expects: schema.expects,
    outline: schema.outline,
    read(value, path, report) {
      const parsed = schema.read(value, path, report);
      return parsed === INVALID ? INVALID : change(parsed);
    },
  };
}

/** For a field that is known and not supported: whatever is in it is refused, with the reason. */
export function refused(reason: string): Schema<never> {
  return {
    expects: 'nothing',
    outline: { type: 'refused', reason },
    read(_value, path, report) {
      report(path, reason);
      return INVALID;
    },
  };
}
