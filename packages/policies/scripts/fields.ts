/** What each field of each kind does, in words, for docs/reference/resources.md. */
import type { Kind } from '@weft/model';

/** The fields of `metadata`, the same for every kind. */
export const METADATA = `| field | what it does | type and limits | if absent |
| --- | --- | --- | --- |
| \`metadata.name\` | the name, once per kind and namespace | 1 to 63 lower-case letters, digits and dashes | required |
| \`metadata.namespace\` | the namespace | the same | \`default\` |
| \`metadata.labels\` | labels of the resource; of no meaning to the mesh yet | at most 64, keys and values as Kubernetes has them | none |
| \`metadata.annotations\` | kept as written, of no meaning to the mesh | at most 64 | none |

At most 5,000 resources in one apply, 512 KiB each and 6 MiB together.
`;

export const INTRODUCTIONS: Readonly<Record<Kind, string>> = {
  Service:
    'Declares a service. A service that workloads register as is there without it: declare one to refer to it before its\n' +
    'workloads run, to cut a part out of another (a version), to fix its protocol, or to let other service accounts be it.',
  HTTPRoute:
    'Says where the requests for a service go: the kind of the Gateway API, with a Service as parent. Of several matches a\n' +
    'request takes the one that the Gateway API puts first; one that no rule matches gets 404.\n' +
    '[More](../../packages/policies/src/http-route/README.md).',
  TCPRoute:
    'Says where the connections for a service of protocol `tcp` go, by weight. One for a service and the namespace of its\n' +
    'callers. [More](../../packages/policies/src/tcp-route/README.md).',
};

const PARENTS = {
  'spec.parentRefs': 'the services whose callers this route is for',
  'spec.parentRefs[].group': 'the API group of Service',
  'spec.parentRefs[].kind': 'always Service',
  'spec.parentRefs[].name': 'the service; it must be declared or registered',
  'spec.parentRefs[].namespace': 'its namespace; absent: that of the route',
  'spec.parentRefs[].port': 'accepted, and of no meaning: a service has one port',
} as const;

const BACKENDS = {
  'spec.rules[].backendRefs[].group': 'the API group of Service',
  'spec.rules[].backendRefs[].kind': 'always Service',
  'spec.rules[].backendRefs[].name': 'a service; it must be declared or registered',
  'spec.rules[].backendRefs[].namespace': 'its namespace; absent: that of the route',
  'spec.rules[].backendRefs[].port': 'accepted, and of no meaning: a service has one port',
  'spec.rules[].backendRefs[].weight': 'its share, of the sum of the weights of the rule; 0: none',
} as const;

export const FIELDS: { readonly [K in Kind]: Readonly<Record<string, string>> } = {
  Service: {
    'spec.selector':
      'its workloads are those of its namespace that have all of these labels; `service` stands for the service that a ' +
      'workload registered as. Without the label `service` it needs `spec.serviceAccounts`. Absent: the workloads that registered under its name',
    'spec.selector.<key>': 'the value of the label',
    'spec.protocol': 'what is spoken; absent: what the first port of its longest registered workload speaks',
    'spec.serviceAccounts':
      'service accounts of its namespace that may register as it, beside the one of its own name; with a selector without `service`, only their workloads are members',
  },
  HTTPRoute: {
    ...PARENTS,
    'spec.rules': 'the rules',
    'spec.rules[].name': 'a name that shows in metadata and logs',
    'spec.rules[].matches': 'which requests it takes: those that any of these matches. Empty: all',
    'spec.rules[].matches[].path': 'what the path must be, after normalization',
    'spec.rules[].matches[].path.type':
      'how: the whole path; whole elements at its beginning (`/a` takes `/a/b`, not `/ab`); or an expression over the whole path.',
    'spec.rules[].matches[].path.value': 'the path, prefix or expression',
    'spec.rules[].matches[].headers': 'headers that it must have, all of them',
    'spec.rules[].matches[].headers[].type': 'how the value is compared; an expression takes the whole value',
    'spec.rules[].matches[].headers[].name': 'the header, in any case',
    'spec.rules[].matches[].headers[].value': 'the value or expression',
    'spec.rules[].matches[].queryParams': 'query parameters that it must have, all of them',
    'spec.rules[].matches[].queryParams[].type': 'how the value is compared; an expression takes the whole value',
    'spec.rules[].matches[].queryParams[].name': 'the parameter',
    'spec.rules[].matches[].queryParams[].value': 'the value or expression',
    'spec.rules[].matches[].method': 'the method; absent: any',
    'spec.rules[].filters': 'what is done to requests and answers; each type once',
    'spec.rules[].filters[].type': 'which filter; the field of that name has its settings',
    'spec.rules[].filters[].requestHeaderModifier': 'changes headers of the request: remove, then set, then add',
    'spec.rules[].filters[].requestHeaderModifier.set': 'headers that take the place of those that are there',
    'spec.rules[].filters[].requestHeaderModifier.set[].name':
      "the header; those that frame a message or are the mesh's own are refused",
    'spec.rules[].filters[].requestHeaderModifier.set[].value': 'its value',
    'spec.rules[].filters[].requestHeaderModifier.add': 'headers beside those that are there',
    'spec.rules[].filters[].requestHeaderModifier.add[].name': 'the header',
    'spec.rules[].filters[].requestHeaderModifier.add[].value': 'its value',
    'spec.rules[].filters[].requestHeaderModifier.remove': 'headers to take off',
    'spec.rules[].filters[].responseHeaderModifier': 'the same for headers of the answer',
    'spec.rules[].filters[].responseHeaderModifier.set': 'headers that take the place of those that are there',
    'spec.rules[].filters[].responseHeaderModifier.set[].name': 'the header',
    'spec.rules[].filters[].responseHeaderModifier.set[].value': 'its value',
    'spec.rules[].filters[].responseHeaderModifier.add': 'headers beside those that are there',
    'spec.rules[].filters[].responseHeaderModifier.add[].name': 'the header',
    'spec.rules[].filters[].responseHeaderModifier.add[].value': 'its value',
    'spec.rules[].filters[].responseHeaderModifier.remove': 'headers to take off',
    'spec.rules[].filters[].requestRedirect': 'answers with a redirect; not beside `backendRefs` or URLRewrite',
    'spec.rules[].filters[].requestRedirect.scheme': 'the scheme of the target; absent: that of the request',
    'spec.rules[].filters[].requestRedirect.hostname': 'its host; absent: that of the request',
    'spec.rules[].filters[].requestRedirect.path': 'its path; absent: that of the request',
    'spec.rules[].filters[].requestRedirect.path.type': 'whether the path or the matched prefix is replaced',
    'spec.rules[].filters[].requestRedirect.path.replaceFullPath': 'the new path',
    'spec.rules[].filters[].requestRedirect.path.replacePrefixMatch':
      'what takes the place of the matched prefix; every match of the rule must be a PathPrefix',
    'spec.rules[].filters[].requestRedirect.port': 'its port',
    'spec.rules[].filters[].requestRedirect.statusCode': 'the status of the answer',
    'spec.rules[].filters[].urlRewrite': 'changes where the request is for; hostname, path or both',
    'spec.rules[].filters[].urlRewrite.hostname': 'the host that the application sees',
    'spec.rules[].filters[].urlRewrite.path': 'the path that it sees',
    'spec.rules[].filters[].urlRewrite.path.type': 'whether the path or the matched prefix is replaced',
    'spec.rules[].filters[].urlRewrite.path.replaceFullPath': 'the new path',
    'spec.rules[].filters[].urlRewrite.path.replacePrefixMatch':
      'what takes the place of the matched prefix; every match of the rule must be a PathPrefix',
    'spec.rules[].backendRefs': 'where requests go, by weight; without any weight over 0 the answer is 500',
    ...BACKENDS,
    'spec.rules[].timeouts': 'time limits; `0s` and absent: none',
    'spec.rules[].timeouts.request': 'from the end of the request to the end of the answer, tries included',
    'spec.rules[].timeouts.backendRequest': 'the same of each try; at most `timeouts.request`',
  },
  TCPRoute: {
    ...PARENTS,
    'spec.rules': 'the rule: it takes every connection',
    'spec.rules[].name': 'a name that shows in metadata',
    'spec.rules[].backendRefs': 'where connections go, by weight; at least one weight over 0',
    ...BACKENDS,
  },
};
