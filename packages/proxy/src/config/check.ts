/** Reads a bootstrap, and says all that is wrong with it before anything of it is used. */
import { WeftError } from '@weft/contracts/error';
import { type BootstrapConfig, bootstrap as bootstrapSchema } from './bootstrap.ts';
import { type ClusterConfig, cluster as clusterSchema, httpOptionsOf } from './cluster.ts';
import { addressText } from './core.ts';
import { listener as listenerSchema } from './listener.ts';
import { checkListenerClusters } from './route-clusters.ts';
import { type ConfigIssue, Place } from './schema.ts';
import { checkSecrets } from './secret-references.ts';

/** A bootstrap that was read. */
export interface CheckedBootstrap {
  readonly config: BootstrapConfig;
  /** As ProtoJSON. */
  readonly clusters: readonly unknown[];
  readonly issues: readonly ConfigIssue[];
}

/** Whether streams of the control plane can go to a cluster: it speaks HTTP/2, and is known without one. */
function carriesStreams(config: ClusterConfig): boolean {
  if (config.type === 'EDS') return false;
  const http = httpOptionsOf(config);
  if (http?.explicit_http_config) return http.explicit_http_config.http2_protocol_options !== undefined;
  return http?.auto_config !== undefined || config.http2_protocol_options !== undefined;
}

/** Reads a bootstrap in ProtoJSON whose types and names the codec has checked already. */
export function checkBootstrap(bootstrap: unknown): CheckedBootstrap {
  const place = new Place();
  const config = bootstrapSchema.parse(bootstrap, place);
  const clusters = config.static_resources?.clusters ?? [];
  const carriers = new Set<string>();
  const names = new Set<string>();
  const secrets = new Set(config.static_resources?.secrets?.map(({ name }) => name));
  const isThere = (name: string) => secrets.has(name);
  place.within('static_resources', () => {
    place.within('clusters', () => {
      for (const [index, cluster] of clusters.entries()) {
        place.within(index, () => {
          const parsed = clusterSchema.parse(cluster, place);
          checkSecrets(cluster, isThere, place);
          names.add(parsed.name);
          if (carriesStreams(parsed)) carriers.add(parsed.name);
        });
      }
    });
    place.within('listeners', () => {
      const taken = new Map<string, number>();
      for (const [index, listener] of (config.static_resources?.listeners ?? []).entries()) {
        place.within(index, () => {
          const before = place.issues.length;
          const parsed = listenerSchema.parse(listener, place);
          checkSecrets(listener, isThere, place);
          const { address } = parsed;
          if (place.issues.length === before) checkListenerClusters(parsed, (name) => names.has(name), place);
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
  checkReferences(config, carriers, place);
  const local = config.cluster_manager?.local_cluster_name ?? '';
  if (local !== '' && !clusters.some((cluster) => (cluster as { readonly name?: unknown }).name === local)) {
    place.within('cluster_manager', () =>
      place.within('local_cluster_name', () => place.refuse(`${local} is not one of static_resources.clusters`)),
    );
  }
  return { config, clusters, issues: place.issues };
}

/** The streams of the control plane need a cluster of the bootstrap that speaks HTTP/2. */
function checkReferences(
  { dynamic_resources: dynamic, node }: BootstrapConfig,
  carriers: ReadonlySet<string>,
  place: Place,
): void {
  if (!dynamic) return;
  checkNode(dynamic, node, place);
  place.within('dynamic_resources', () => {
    const { ads_config: ads, cds_config: cds, lds_config: lds } = dynamic;
    if (ads !== undefined && !carriers.has(ads.cluster)) {
      place.within('ads_config', () =>
        place.refuse(`${ads.cluster} is not one of static_resources.clusters with http2_protocol_options`),
      );
    }
    for (const [field, source] of Object.entries({ cds_config: cds, lds_config: lds })) {
      if (source?.type === 'ads' && ads === undefined) {
        place.within(field, () => place.refuse('names ads, and there is no ads_config'));
      }
      if (source?.type === 'grpc' && !carriers.has(source.service.cluster)) {
        place.within(field, () =>
          place.refuse(`${source.service.cluster} is not one of static_resources.clusters with http2_protocol_options`),
        );
      }
    }
  });
}

/** Who asks a control plane for resources says who it is. */
function checkNode(
  { ads_config: ads, cds_config: cds, lds_config: lds }: NonNullable<BootstrapConfig['dynamic_resources']>,
  node: unknown,
  place: Place,
): void {
  if (!ads && cds?.type !== 'grpc' && lds?.type !== 'grpc') return;
  const { id, cluster } = (node ?? {}) as { readonly id?: string; readonly cluster?: string };
  place.within('node', () => {
    if (!id)
      place.within('id', () => place.refuse('is needed by the control plane; give it here or by --service-node'));
    if (!cluster) {
      place.within('cluster', () =>
        place.refuse('is needed by the control plane; give it here or by --service-cluster'),
      );
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
