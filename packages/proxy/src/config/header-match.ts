/** Schemas of what a request's fields and query must be for a route to match. */
import { stringMatcher, type TextPredicate, wholeRegex } from './core.ts';
import { built, flag, message, name, number, optional, type Place, required, type Schema, text } from './schema.ts';

/** What is asked of the fields of one name. */
export interface HeaderMatch {
  /** In lower case; pseudo-fields such as `:method` among them. */
  readonly name: string;
  /** Whether no field may be what the matcher says, rather than one must. */
  readonly isInverted: boolean;
  /** Whether a value, or the absence of all, is what is asked for. */
  matches(value: string | undefined): boolean;
}

const range = message('envoy.type.v3.Int64Range', {
  start: number(0, { min: Number.MIN_SAFE_INTEGER }),
  end: number(0, { min: Number.MIN_SAFE_INTEGER }),
});

const headerMatcherMessage = message('envoy.config.route.v3.HeaderMatcher', {
  name: name(),
  string_match: optional(stringMatcher),
  present_match: optional(flag()),
  range_match: optional(range),
  exact_match: optional(text()),
  prefix_match: optional(text()),
  suffix_match: optional(text()),
  contains_match: optional(text()),
  safe_regex_match: optional(wholeRegex),
  invert_match: flag(),
  treat_missing_header_as_empty: flag(),
});

interface ValueTests {
  readonly string_match: TextPredicate | undefined;
  readonly range_match: { readonly start: number; readonly end: number } | undefined;
  readonly exact_match: string | undefined;
  readonly prefix_match: string | undefined;
  readonly suffix_match: string | undefined;
  readonly contains_match: string | undefined;
  readonly safe_regex_match: RegExp | undefined;
}

/** What the value must be; undefined where only presence is asked for. */
function valueTest(matcher: ValueTests): TextPredicate | undefined {
  const { string_match, range_match, exact_match, prefix_match, suffix_match, contains_match } = matcher;
  const regex = matcher.safe_regex_match;
  if (string_match) return string_match;
  if (regex) return (value) => regex.test(value);
  if (exact_match !== undefined) return (value) => value === exact_match;
  if (prefix_match !== undefined) return (value) => value.startsWith(prefix_match);
  if (suffix_match !== undefined) return (value) => value.endsWith(suffix_match);
  if (contains_match !== undefined) return (value) => value.includes(contains_match);
  if (!range_match) return undefined;
  return (value) => /^[+-]?\d+$/.test(value) && Number(value) >= range_match.start && Number(value) < range_match.end;
}

export const headerMatcher: Schema<HeaderMatch> = built(headerMatcherMessage, (matcher) => {
  const field = matcher.name.toLowerCase();
  const inverted = matcher.invert_match;
  const test = valueTest(matcher);
  if (!test) {
    const wanted = (matcher.present_match ?? true) !== inverted;
    // A field that counts as empty where it is missing is always there.
    const isThere = matcher.treat_missing_header_as_empty;
    return { name: field, isInverted: inverted, matches: (value) => (isThere || value !== undefined) === wanted };
  }
  const missing = matcher.treat_missing_header_as_empty ? test('') !== inverted : false;
  return {
    name: field,
    isInverted: inverted,
    matches: (value) => (value === undefined ? missing : test(value) !== inverted),
  };
});

/** What is asked of one cookie. */
export const cookieMatcher: Schema<QueryMatch> = built(
  message('envoy.config.route.v3.CookieMatcher', {
    name: name(),
    string_match: required(stringMatcher),
    invert_match: flag(),
  }),
  ({ name: cookie, string_match: test, invert_match: isInverted }) => ({
    name: cookie,
    matches: (value) => (value !== undefined && test(value)) !== isInverted,
  }),
);

/** What is asked of one parameter of the query, as it is written there. */
export interface QueryMatch {
  readonly name: string;
  matches(value: string | undefined): boolean;
}

const queryMatcherMessage = message('envoy.config.route.v3.QueryParameterMatcher', {
  name: name(),
  string_match: optional(stringMatcher),
  present_match: optional(flag()),
});

export const queryMatcher: Schema<QueryMatch> = built(queryMatcherMessage, (matcher, _: Place) => {
  const test = matcher.string_match;
  if (test) return { name: matcher.name, matches: (value) => value !== undefined && test(value) };
  const wanted = matcher.present_match ?? true;
  return { name: matcher.name, matches: (value) => (value !== undefined) === wanted };
});
