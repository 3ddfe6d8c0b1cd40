/** Operators that tell metadata: what filters found out, and what configuration says of routes, clusters and hosts. */
import { valueAt } from '../../config/metadata-path.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import { type Command, type Commands, inOrder, type Operator, type OperatorValue } from './operator.ts';

type MetadataOf = (info: StreamInfo, namespace: string) => unknown;

const SOURCES = {
  DYNAMIC: ({ dynamicMetadata }, namespace) => dynamicMetadata?.get(namespace),
  CLUSTER: ({ clusterConfig }, namespace) => clusterConfig?.metadata?.filter_metadata?.[namespace],
  ROUTE: ({ route }, namespace) => route?.metadata?.filter_metadata?.[namespace],
  VIRTUAL_HOST: ({ route }, namespace) => route?.virtualHost.metadata?.filter_metadata?.[namespace],
  UPSTREAM_HOST: ({ host }, namespace) => host?.endpoint.filterMetadata?.[namespace],
  LISTENER: ({ downstream }, namespace) => downstream.listenerMetadata?.[namespace],
} as const satisfies Readonly<Record<string, MetadataOf>>;

function compileFrom(source: MetadataOf, argument: string): Operator | string {
  const [namespace = '', ...path] = argument.split(':');
  if (namespace === '') return `(${argument}): expected a namespace, and perhaps keys, parted by colons`;
  return (info) => {
    const value = valueAt(source(info, namespace), path);
    return typeof value === 'object' ? (inOrder(value) as OperatorValue) : (value as OperatorValue);
  };
}

function from(source: MetadataOf): Command {
  return { isArgumentNeeded: true, canBeCut: true, compile: (argument) => compileFrom(source, argument) };
}

function compileAny(argument: string): Operator | string {
  const colon = argument.indexOf(':');
  const type = colon === -1 ? argument : argument.slice(0, colon);
  if (!Object.hasOwn(SOURCES, type)) {
    return `%METADATA(${argument})%: expected one of ${Object.keys(SOURCES).join(', ')}, then a namespace`;
  }
  return compileFrom(SOURCES[type as keyof typeof SOURCES], colon === -1 ? '' : argument.slice(colon + 1));
}

export const METADATA: Commands = {
  METADATA: { isArgumentNeeded: true, canBeCut: true, compile: compileAny },
  DYNAMIC_METADATA: from(SOURCES.DYNAMIC),
  CLUSTER_METADATA: from(SOURCES.CLUSTER),
  UPSTREAM_METADATA: from(SOURCES.UPSTREAM_HOST),
};
