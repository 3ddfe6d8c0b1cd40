import { INVALID, mismatch, type Schema, within } from './schema.ts';

export interface ListRules<T> {
  readonly min?: number;
  /** Default 64. */
  readonly max?: number;
  /** What may stand in the list once: `{ what: 'name', of: (item) => item.name }`. */
  readonly unique?: { readonly what: string; readonly of: (item: T) => string };
}

/** A list of items of one schema. */
export function list<T>(item: Schema<T>, rules: ListRules<T> = {}): Schema<readonly T[]> {
  const { min = 0, max = 64, unique } = rules;
  const expects = min > 0 ? `a list of at least ${min}, each ${item.expects}` : `a list, each item ${item.expects}`;
  return {
    expects,
    outline: { type: 'list', item: item.outline, min, max },
    read(value, path, report) {
      if (!Array.isArray(value)) return mismatch(value, expects, path, report);
      if (value.length < min || value.length > max) {
        report(path, `has ${value.length} items, expected ${min} to ${max}`);
        return INVALID;
      }
      let valid = true;
      const parsed: T[] = [];
      const seen = new Map<string, number>();
      for (const [index, one] of value.entries()) {
        const read = item.read(one, within(path, index), report);
        if (read === INVALID) {
          valid = false;
          continue;
        }
        const identity = unique?.of(read);
        const earlier = identity === undefined ? undefined : seen.get(identity);
        if (unique && identity !== undefined && earlier !== undefined) {
          report(
            within(path, index),
            `has the same ${unique.what} as ${within(path, earlier)}: ${JSON.stringify(identity)}`,
          );
          valid = false;
        } else if (identity !== undefined) seen.set(identity, index);
        parsed.push(read);
      }
      return valid ? Object.freeze(parsed) : INVALID;
    },
  };
}
