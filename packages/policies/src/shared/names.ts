/** Names in the Envoy API that several kinds use, and where a compiled thing says what it came from. */
import { keyText } from '@weft/model';

interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** `outbound/shop/stock`: the cluster and load assignment of a service. */
export function outboundName({ namespace, name }: Named): string {
  return `outbound/${namespace}/${name}`;
}

/** The cluster that leads a CONNECT back into the proxy's own listener for HTTP_PROXY. */
export const LOOPBACK_CLUSTER = 'loopback';

/** `metadata` of a compiled thing: the resource, its revision and the rule that it came from. */
export function origin(
  resource: Named & { readonly kind: string; readonly revision: number },
  rule?: string,
): { readonly filter_metadata: { readonly weft: Readonly<Record<string, string | number>> } } {
  const { revision } = resource;
  return {
    filter_metadata: { weft: { resource: keyText(resource), revision, ...(rule === undefined ? {} : { rule }) } },
  };
}
