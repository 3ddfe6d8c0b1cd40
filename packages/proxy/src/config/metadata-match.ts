/** Schemas of what metadata must be: what filters found out, or what a route says. */
import { stringMatcher, type TextPredicate } from './core.ts';
import { valueAt } from './metadata-path.ts';
import {
  built,
  flag,
  later,
  list,
  message,
  name,
  number,
  optional,
  type Place,
  presence,
  required,
  type Schema,
} from './schema.ts';

/** Whether a value of metadata fits; `undefined`: there is none. */
export type ValuePredicate = (value: unknown) => boolean;

const isNumberIn = (range: { readonly start: number; readonly end: number }): ValuePredicate => {
  return (value) => typeof value === 'number' && value >= range.start && value < range.end;
};

const doubleMatcher: Schema<ValuePredicate> = built(
  message('envoy.type.matcher.v3.DoubleMatcher', {
    range: optional(message('envoy.type.v3.DoubleRange', { start: anyNumber(), end: anyNumber() })),
    exact: optional(anyNumber()),
  }),
  ({ range, exact }, place) => {
    if (range) return isNumberIn(range);
    if (exact === undefined) place.refuse('needs range or exact');
    return (value) => value === exact;
  },
);

function anyNumber(): Schema<number> {
  return number(0, { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY });
}

interface ValueMatcherFields {
  readonly null_match: boolean;
  readonly double_match: ValuePredicate | undefined;
  readonly string_match: TextPredicate | undefined;
  readonly bool_match: boolean | undefined;
  readonly present_match: boolean | undefined;
  readonly list_match: ValuePredicate | undefined;
  readonly or_match: ValuePredicate | undefined;
}

function valuePredicate(matcher: ValueMatcherFields, place: Place): ValuePredicate {
  const { null_match, double_match, string_match, bool_match, present_match, list_match, or_match } = matcher;
  if (null_match) return (value) => value === null;
  if (string_match) return (value) => typeof value === 'string' && string_match(value);
  if (bool_match !== undefined) return (value) => value === bool_match;
  // As in Envoy, what is not there fits nothing: `present_match: false` asks for nothing that could be.
  if (present_match !== undefined) return (value) => present_match && value !== undefined;
  const nested = double_match ?? list_match ?? or_match;
  if (nested) return nested;
  place.refuse('says nothing about the value');
  return () => false;
}

const VALUE_MATCHER = 'envoy.type.matcher.v3.ValueMatcher';
const nested = later(VALUE_MATCHER, () => valueMatcher);

const listMatcher: Schema<ValuePredicate> = built(
  message('envoy.type.matcher.v3.ListMatcher', { one_of: required(optional(nested)) }),
  ({ one_of: test }) =>
    (value) =>
      Array.isArray(value) && test !== undefined && value.some((entry) => test(entry)),
);

const orMatcher: Schema<ValuePredicate> = built(
  message('envoy.type.matcher.v3.OrMatcher', { value_matchers: list(nested, { min: 2 }) }),
  ({ value_matchers: tests }) =>
    (value) =>
      tests.some((test) => test(value)),
);

export const valueMatcher: Schema<ValuePredicate> = built(
  message(VALUE_MATCHER, {
    null_match: presence(),
    double_match: optional(doubleMatcher),
    string_match: optional(stringMatcher),
    bool_match: optional(flag()),
    present_match: optional(flag()),
    list_match: optional(listMatcher),
    or_match: optional(orMatcher),
  }),
  valuePredicate,
);

/** Metadata by the names of who it is from. */
export type MetadataOf = (filter: string) => unknown;

/** Whether metadata is what is asked for. */
export type MetadataPredicate = (metadata: MetadataOf) => boolean;

const segment = message('envoy.type.matcher.v3.MetadataMatcher.PathSegment', { key: name() });

export const metadataMatcher: Schema<MetadataPredicate> = built(
  message('envoy.type.matcher.v3.MetadataMatcher', {
    filter: name(),
    path: list(segment, { min: 1 }),
    value: required(optional(valueMatcher)),
    invert: flag(),
  }),
  ({ filter, path, value: test, invert }) => {
    const keys = path.map(({ key }) => key);
    return (metadata) => (test?.(valueAt(metadata(filter), keys)) ?? false) !== invert;
  },
);
