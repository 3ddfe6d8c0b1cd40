/** Reads a bootstrap, and says all that is wrong with it before anything of it is used. */
import { WeftError } from '@weft/contracts/error';
import { type BootstrapConfig, bootstrap as bootstrapSchema } from './bootstrap.ts';
import { type ControlPlaneClusterConfig, cluster as clusterSchema, controlPlaneCluster } from './cluster.ts';
import { addressText } from './core.ts';
import { listener as listenerSchema } from './listener.ts';
import { type ConfigIssue, Place } from './schema.ts';

/** A bootstrap that was read. */
export interface CheckedBootstrap {
  readonly config: BootstrapConfig;
  /** As ProtoJSON: clusters of the data path. */
  readonly clusters: readonly unknown[];
  /** Clusters that only streams of the control plane go to, by name: those that speak HTTP/2. */
  readonly controlPlane: ReadonlyMap<string, ControlPlaneClusterConfig>;
  readonly issues: readonly ConfigIssue[];
}

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

function speaksHttp2(cluster: unknown): boolean {
  const given = cluster as {
    readonly http2_protocol_options?: unknown;
    readonly typed_extension_protocol_options?: Readonly<
      Record<string, { readonly explicit_http_config?: { readonly http2_protocol_options?: unknown } }>
    >;
  };
  const options = given.typed_extension_protocol_options?.[HTTP_OPTIONS];
  return (
    given.http2_protocol_options !== undefined || options?.explicit_http_config?.http2_protocol_options !== undefined
  );
}

/** Reads a bootstrap in ProtoJSON whose types and names the codec has checked already. */
export function checkBootstrap(bootstrap: unknown): CheckedBootstrap {
  const place = new Place();
  const config = bootstrapSchema.parse(bootstrap, place);
  const controlPlane = new Map<string, ControlPlaneClusterConfig>();
  const clusters: unknown[] = [];
  place.within('static_resources', () => {
    place.within('clusters', () => {
      for (const [index, cluster] of (config.static_resources?.clusters ?? []).entries()) {
        place.within(index, () => {
          if (speaksHttp2(cluster)) {
            const parsed = controlPlaneCluster.parse(cluster, place);
            controlPlane.set(parsed.name, parsed);
          } else {
            clusters.push(cluster);
            clusterSchema.parse(cluster, place);
          }
        });
      }
    });
    place.within('listeners', () => {
      const taken = new Map<string, number>();
      for (const [index, listener] of (config.static_resources?.listeners ?? []).entries()) {
        place.within(index, () => {
          const before = place.issues.length;
          const { address } = listenerSchema.parse(listener, place);
          if (place.issues.length > before || (address.type === 'tcp' && address.port === 0)) return;
          const text = addressText(address);
          const other = taken.get(text);
          if (other !== undefined)
            place.within('address', () => place.refuse(`${text} is that of listeners[${other}] already`));
          taken.set(text, index);
        });
      }
    });
  });
  checkReferences(config, controlPlane, place);
  return { config, clusters, controlPlane, issues: place.issues };
}

/** The streams of the control plane need a cluster of the bootstrap that speaks gRPC. */
function checkReferences(
  { dynamic_resources: dynamic }: BootstrapConfig,
  controlPlane: ReadonlyMap<string, unknown>,
  place: Place,
): void {
  if (!dynamic) return;
  place.within('dynamic_resources', () => {
    const { ads_config: ads, cds_config: cds, lds_config: lds } = dynamic;
    if (ads !== undefined && !controlPlane.has(ads)) {
      place.within('ads_config', () =>
        place.refuse(`${ads} is not one of static_resources.clusters with http2_protocol_options`),
      );
    }
    for (const [field, source] of Object.entries({ cds_config: cds, lds_config: lds })) {
      if (source?.type === 'ads' && ads === undefined) {
        place.within(field, () => place.refuse('names ads, and there is no ads_config'));
      }
      if (source?.type === 'grpc' && !controlPlane.has(source.cluster)) {
        place.within(field, () =>
          place.refuse(`${source.cluster} is not one of static_resources.clusters with http2_protocol_options`),
        );
      }
    }
  });
}

/** One line for each thing that is wrong: where, and what. */
export function issuesText(issues: readonly ConfigIssue[]): string {
  return issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('\n');
}

/** Throws `WeftError` INVALID_ARGUMENT with everything that is wrong. */
export function requireNoIssues(issues: readonly ConfigIssue[]): void {
  if (issues.length > 0) throw new WeftError('INVALID_ARGUMENT', issuesText(issues));
}
