import { INVALID, mismatch, type Schema } from './schema.ts';
import { suggest } from './suggest.ts';

export interface TextRules {
  /** In words, when the text has more rules than its length: `a header name`. */
  readonly expects?: string;
  readonly pattern?: RegExp;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** A string; not empty and of at most 4,096 characters unless told otherwise. */
export function text(rules: TextRules = {}): Schema<string> {
  const { pattern, minLength = 1, maxLength = 4096 } = rules;
  const expects = rules.expects ?? 'a text';
  return {
    expects,
    outline: { type: 'value', expects, limit: `at most ${maxLength.toLocaleString('en')} characters` },
    read(value, path, report) {
      if (typeof value !== 'string') return mismatch(value, expects, path, report);
      if (value.length > maxLength) {
        report(path, `has ${value.length} characters, expected at most ${maxLength}`);
        return INVALID;
      }
      if (value.length < minLength || pattern?.test(value) === false) return mismatch(value, expects, path, report);
      return value;
    },
  };
}

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number): Schema<number> {
  const expects = `a whole number from ${min} to ${max}`;
  return {
    expects,
    outline: { type: 'value', expects },
    read(value, path, report) {
      if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
      return mismatch(value, expects, path, report);
    },
  };
}

/** One of a few texts, spelled exactly. */
export function oneOf<const T extends string | number>(...options: readonly T[]): Schema<T> {
  const expects = options.map((option) => JSON.stringify(option)).join(' or ');
  return {
    expects,
    outline: { type: 'value', expects },
    read(value, path, report) {
      const found = options.find((option) => option === value);
      if (found !== undefined) return found;
      const names = options.filter((option): option is T & string => typeof option === 'string');
      const meant = typeof value === 'string' ? suggest(value, names) : undefined;
      if (meant === undefined) return mismatch(value, expects, path, report);
      report(path, `found ${JSON.stringify(value)}, expected ${expects}: did you mean ${JSON.stringify(meant)}?`);
      return INVALID;
    },
  };
}
