/** Which statistics are told, and what further labels they have for Prometheus. */
import type { StatTag } from '../stats/tags.ts';
import { built, flag, list, message, name, only, optional, type Schema, text } from './schema.ts';
import { stringMatchers } from './services.ts';

/** Longer expressions are refused, as by Envoy. */
const MAX_REGEX_LENGTH = 1024;

/** The names of Envoy's own tags begin so: those there are anyway, and none of them can be another. */
const OWN_NAMES = 'envoy.';

const tag: Schema<StatTag> = built(
  message('envoy.config.metrics.v3.TagSpecifier', {
    tag_name: name(),
    regex: optional(text()),
    fixed_value: optional(text()),
  }),
  ({ tag_name: label, regex, fixed_value: fixed }, place): StatTag => {
    const none: StatTag = { type: 'fixed', label, value: '' };
    if (label.startsWith(OWN_NAMES))
      place.refuse(`${label} is the name of a tag that Envoy has by itself; choose another`);
    if (fixed !== undefined) return { type: 'fixed', label, value: fixed };
    if (regex === undefined) {
      place.refuse('needs a regex or a fixed_value');
      return none;
    }
    return place.within('regex', () => {
      if (regex.length > MAX_REGEX_LENGTH) {
        place.refuse(`is longer than ${MAX_REGEX_LENGTH} characters`);
        return none;
      }
      try {
        // As Envoy reads these: expressions of ECMAScript.
        return { type: 'found', label, find: new RegExp(regex, 'd') };
      } catch (error) {
        place.refuse(`is no regular expression: ${(error as Error).message}`);
        return none;
      }
    });
  },
);

/** Gives whether a statistic of that name is told. */
const matcher: Schema<(name: string) => boolean> = built(
  message('envoy.config.metrics.v3.StatsMatcher', {
    reject_all: flag(),
    exclusion_list: optional(stringMatchers),
    inclusion_list: optional(stringMatchers),
  }),
  ({ reject_all: rejectsAll, exclusion_list: excludes, inclusion_list: includes }) =>
    (name: string) =>
      !rejectsAll && excludes?.(name) !== true && includes?.(name) !== false,
);

/** Statistics that are not told are counted nevertheless: the proxy itself looks at them. */
export const statsConfig = message('envoy.config.metrics.v3.StatsConfig', {
  stats_tags: list(tag),
  use_all_default_tags: only((given) => given === true, 'true'),
  stats_matcher: optional(matcher),
});
