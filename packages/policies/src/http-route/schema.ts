/** The schema of `HTTPRoute` (`gateway.networking.k8s.io/v1`) as far as Weft does it; the rest is refused by name. */
import {
  type HeaderChanges,
  type HttpFilter,
  type HttpMatch,
  type HttpRule,
  type KindSchema,
  schema,
} from '@weft/model';
import { durationMs } from '../shared/duration.ts';
import { backendRefs, parentRefs, ruleName } from '../shared/references.ts';
import { regexTrouble } from '../shared/regex.ts';
import { ruleTrouble } from './rule-trouble.ts';

const { checked, defaulted, integer, list, mapped, object, oneOf, optional, refused, text, variant } = schema;

const NOT_YET = 'is not supported by Weft 0.1';

const pathText = text({
  maxLength: 1024,
  pattern: /^\/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$/,
  expects: 'a path that begins with "/", of the characters of a URL path',
});

const UNCLEAN = /\/\/|\/\.{1,2}(?:\/|$)|%2f/i;
const cleanPath = checked(pathText, (path) =>
  UNCLEAN.test(path) ? 'holds "//", "/./", "/../" or "%2F": expected a path as it is after normalization' : undefined,
);

const regex = checked(text({ maxLength: 1024, expects: 'a regular expression' }), regexTrouble);
type PathMatch = HttpMatch['path'];
const paths = variant('type', {
  Exact: object({ type: oneOf('Exact'), value: defaulted(cleanPath, '/') }),
  PathPrefix: object({
    type: defaulted(oneOf('PathPrefix'), 'PathPrefix'),
    value: defaulted(
      mapped(cleanPath, (prefix) => (prefix.length > 1 && prefix.endsWith('/') ? prefix.slice(0, -1) : prefix)),
      '/',
    ),
  }),
  RegularExpression: object({ type: oneOf('RegularExpression'), value: defaulted(regex, '/') }),
});
const pathMatch: schema.Schema<PathMatch> = {
  expects: 'an object with type and value',
  outline: paths.outline,
  read(value, path, report) {
    const typed = schema.isObject(value) && value.type === undefined ? { ...value, type: 'PathPrefix' } : value;
    return paths.read(typed, path, report) as PathMatch | schema.Invalid;
  },
};

const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;
const headerName = mapped(text({ maxLength: 256, pattern: TOKEN, expects: 'the name of a header' }), (name) =>
  name.toLowerCase(),
);

/** A match of a header or query parameter whose names are as `name` has them. */
function valueMatch(name: schema.Schema<string>) {
  const exact = object({ type: defaulted(oneOf('Exact'), 'Exact'), name, value: text({ maxLength: 4096 }) });
  const regular = object({ type: oneOf('RegularExpression'), name, value: regex });
  const one = variant('type', { Exact: exact, RegularExpression: regular });
  return list(
    {
      expects: one.expects,
      outline: one.outline,
      read: (value: unknown, path: string, report: schema.Report) =>
        one.read(
          schema.isObject(value) && value.type === undefined ? { ...value, type: 'Exact' } : value,
          path,
          report,
        ),
    },
    { max: 16, unique: { what: 'name', of: (match) => match.name } },
  );
}

const match: schema.Schema<HttpMatch> = object({
  path: defaulted(pathMatch, { type: 'PathPrefix', value: '/' }),
  headers: defaulted(valueMatch(headerName), []),
  queryParams: defaulted(valueMatch(text({ maxLength: 256, expects: 'the name of a query parameter' })), []),
  method: optional(oneOf('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH')),
});

/** Headers that frame a message, name its target, or are the mesh's own. */
const UNTOUCHABLE = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-forwarded-client-cert',
  'x-weft-refused',
]);
const changeableName = checked(headerName, (name) => {
  if (name === 'host') return 'cannot change the host: use the filter URLRewrite with a hostname';
  return UNTOUCHABLE.has(name) ? `is ${name}, which a route must not change` : undefined;
});
const headerText = text({
  minLength: 0,
  maxLength: 4096,
  pattern: /^[\t -~\u0080-\u00ff]*$/,
  expects: 'the value of a header: text without control characters',
});
const headerValues = list(object({ name: changeableName, value: headerText }), {
  max: 16,
  unique: { what: 'name', of: ({ name }) => name },
});
const headerChanges: schema.Schema<HeaderChanges> = checked(
  object({
    set: defaulted(headerValues, []),
    add: defaulted(headerValues, []),
    remove: defaulted(list(changeableName, { max: 16, unique: { what: 'name', of: (name) => name } }), []),
  }),
  ({ set, add, remove }) =>
    set.length + add.length + remove.length > 0 ? undefined : 'changes nothing: expected set, add or remove',
);

const pathChange = variant('type', {
  ReplaceFullPath: object({ type: oneOf('ReplaceFullPath'), replaceFullPath: pathText }),
  ReplacePrefixMatch: object({
    type: oneOf('ReplacePrefixMatch'),
    replacePrefixMatch: text({
      minLength: 0,
      maxLength: 1024,
      pattern: /^(?:\/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*)?$/,
      expects: 'a path that begins with "/", or nothing',
    }),
  }),
});
const hostname = text({
  maxLength: 253,
  pattern: /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/,
  expects: 'a host name in lower case, without a port',
});

const filter: schema.Schema<HttpFilter> = variant('type', {
  RequestHeaderModifier: object({ type: oneOf('RequestHeaderModifier'), requestHeaderModifier: headerChanges }),
  ResponseHeaderModifier: object({ type: oneOf('ResponseHeaderModifier'), responseHeaderModifier: headerChanges }),
  RequestRedirect: object({
    type: oneOf('RequestRedirect'),
    requestRedirect: object({
      scheme: optional(oneOf('http', 'https')),
      hostname: optional(hostname),
      path: optional(pathChange),
      port: optional(integer(1, 65535)),
      statusCode: defaulted(oneOf(301, 302, 303, 307, 308), 302),
    }),
  }),
  URLRewrite: object({
    type: oneOf('URLRewrite'),
    urlRewrite: checked(object({ hostname: optional(hostname), path: optional(pathChange) }), (rewrite) =>
      rewrite.hostname === undefined && rewrite.path === undefined ? 'is empty: expected hostname or path' : undefined,
    ),
  }),
  RequestMirror: refused(`is a RequestMirror, which ${NOT_YET}`),
  CORS: refused(`is a CORS, which ${NOT_YET}`),
  ExtensionRef: refused(`is an ExtensionRef, which ${NOT_YET}`),
  ExternalAuth: refused(`is an ExternalAuth, which ${NOT_YET}`),
});

const timeouts = mapped(
  object({ request: optional(durationMs), backendRequest: optional(durationMs) }),
  ({ request, backendRequest }) => ({
    ...(request === undefined ? {} : { requestMs: request }),
    ...(backendRequest === undefined ? {} : { backendRequestMs: backendRequest }),
  }),
);

/** Without matches a rule takes every request. */
const EVERYTHING: readonly HttpMatch[] = [{ path: { type: 'PathPrefix', value: '/' }, headers: [], queryParams: [] }];

const rule: schema.Schema<HttpRule> = ruleTrouble(
  object({
    name: optional(ruleName),
    matches: defaulted(
      mapped(list(match), (matches) => (matches.length > 0 ? matches : EVERYTHING)),
      EVERYTHING,
    ),
    filters: defaulted(list(filter, { max: 16, unique: { what: 'type', of: ({ type }) => type } }), []),
    backendRefs: defaulted(backendRefs, []),
    timeouts: defaulted(timeouts, {}),
    retry: optional(refused(`${NOT_YET}: what never reached an application is retried by itself`)),
    sessionPersistence: optional(refused(NOT_YET)),
  }),
);

export const httpRouteSchema: KindSchema<'HTTPRoute'> = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  spec: object({
    parentRefs,
    rules: list(rule, { min: 1, max: 256 }),
    hostnames: optional(
      refused('is for routes of a Gateway; a route of a Service holds for the names of that Service: leave it out'),
    ),
    useDefaultGateways: optional(refused('is for routes of a Gateway: leave it out')),
  }),
};
