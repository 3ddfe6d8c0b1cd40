/** What fields of a rule must not do together. */
import { type HttpFilter, type HttpRule, type PathChange, schema } from '@weft/model';

type Trouble = readonly [path: string, message: string];

function changeOf(filter: HttpFilter): { readonly path: string; readonly change: PathChange | undefined } | undefined {
  if (filter.type === 'RequestRedirect') return { path: 'requestRedirect.path', change: filter.requestRedirect.path };
  if (filter.type === 'URLRewrite') return { path: 'urlRewrite.path', change: filter.urlRewrite.path };
  return undefined;
}

/** A prefix that is taken away is so by an expression, and Envoy compiles no long ones. */
const MAX_REMOVED_PREFIX = 80;

function prefixTrouble(change: PathChange, matches: HttpRule['matches']): string | undefined {
  if (change.type !== 'ReplacePrefixMatch') return undefined;
  if (matches.some(({ path }) => path.type !== 'PathPrefix')) {
    return 'replaces the matched prefix: expected every match of the rule to have a path of type PathPrefix';
  }
  const removed = /^\/*$/.test(change.replacePrefixMatch);
  if (!removed || matches.every(({ path }) => path.value.length <= MAX_REMOVED_PREFIX)) return undefined;
  return `takes away a prefix of more than ${MAX_REMOVED_PREFIX} characters: expected a shorter one, or a replacement`;
}

function filterTroubles({ filters, matches, backendRefs }: HttpRule): Trouble[] {
  const troubles: Trouble[] = [];
  const redirect = filters.findIndex(({ type }) => type === 'RequestRedirect');
  const rewrite = filters.findIndex(({ type }) => type === 'URLRewrite');
  if (redirect >= 0 && rewrite >= 0) {
    troubles.push([`filters[${rewrite}]`, 'is a URLRewrite beside a RequestRedirect: expected one of the two']);
  }
  if (redirect >= 0 && backendRefs.length > 0) {
    troubles.push(['backendRefs', 'is beside a RequestRedirect, which answers by itself: expected one of the two']);
  }
  for (const [index, filter] of filters.entries()) {
    const found = changeOf(filter);
    const message = found?.change && prefixTrouble(found.change, matches);
    if (message !== undefined) troubles.push([`filters[${index}].${found?.path}`, message]);
  }
  return troubles;
}

function timeoutTroubles({ timeouts: { requestMs, backendRequestMs } }: HttpRule): Trouble[] {
  if (!requestMs || !backendRequestMs || backendRequestMs <= requestMs) return [];
  return [['timeouts.backendRequest', 'is longer than timeouts.request, which ends it: expected at most that']];
}

/** The schema with the checks of a rule as a whole. */
export function ruleTrouble(rule: schema.Schema<HttpRule>): schema.Schema<HttpRule> {
  return {
    expects: rule.expects,
    outline: rule.outline,
    read(value, path, report) {
      const parsed = rule.read(value, path, report);
      if (parsed === schema.INVALID) return parsed;
      const troubles = [...filterTroubles(parsed), ...timeoutTroubles(parsed)];
      for (const [where, message] of troubles) report(`${path}.${where}`, message);
      return troubles.length === 0 ? parsed : schema.INVALID;
    },
  };
}
