/** Schema of the bootstrap: what the proxy starts from. */
import { configSource, xdsService } from './config-source.ts';
import { address } from './core.ts';
import { layeredRuntime } from './runtime.ts';
import {
  anyOf,
  durationMs,
  flag,
  list,
  message,
  number,
  only,
  optional,
  type Parsed,
  required,
  text,
  whole,
} from './schema.ts';
import { statsConfig } from './stats.ts';
import { secret } from './tls.ts';
import { upstreamBind } from './upstream-bind.ts';

const FILE_LOG = 'envoy.extensions.access_loggers.file.v3.FileAccessLog';

/** The admin interface logs nothing, which can be said in these words. */
const unwrittenLog = message('envoy.config.accesslog.v3.AccessLog', {
  name: text(),
  typed_config: anyOf({
    file: message(FILE_LOG, { path: required(only((given) => given === '/dev/null', '/dev/null')) }),
  }),
});

const admin = message('envoy.config.bootstrap.v3.Admin', {
  address: optional(address),
  access_log_path: only((given) => given === '' || given === '/dev/null', '/dev/null'),
  access_log: list(unwrittenLog),
  ignore_global_conn_limit: flag(),
});

/** Clusters and listeners are kept as they are here: each is read by itself, so that one that is wrong is named. */
const staticResources = message('envoy.config.bootstrap.v3.Bootstrap.StaticResources', {
  listeners: list(whole('envoy.config.listener.v3.Listener')),
  clusters: list(whole('envoy.config.cluster.v3.Cluster')),
  secrets: list(secret),
});

const dynamicResources = message('envoy.config.bootstrap.v3.Bootstrap.DynamicResources', {
  ads_config: optional(xdsService),
  lds_config: optional(configSource),
  cds_config: optional(configSource),
});

const downstreamConnections = message(
  'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
  { max_active_downstream_connections: number(0) },
);

const overloadManager = message('envoy.config.overload.v3.OverloadManager', {
  refresh_interval: optional(durationMs()),
  resource_monitors: list(
    message('envoy.config.overload.v3.ResourceMonitor', {
      name: text(),
      typed_config: anyOf({ connections: downstreamConnections }),
    }),
  ),
});

const clusterManager = message('envoy.config.bootstrap.v3.ClusterManager', {
  local_cluster_name: text(),
  upstream_bind_config: optional(upstreamBind),
});

/** The one engine there is: expressions are those of RE2, in time that grows with the text alone. */
const regexEngine = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: text(),
  typed_config: anyOf({ re2: message('envoy.extensions.regex_engines.v3.GoogleRE2', {}) }),
});

/** What nobody has counted yet takes next to no room here, so that there is nothing to put off. */
const deferredStats = message('envoy.config.bootstrap.v3.Bootstrap.DeferredStatOptions', {
  enable_deferred_creation_stats: flag(),
});

export const bootstrap = message('envoy.config.bootstrap.v3.Bootstrap', {
  node: whole(),
  admin: optional(admin),
  static_resources: optional(staticResources),
  dynamic_resources: optional(dynamicResources),
  layered_runtime: optional(layeredRuntime),
  overload_manager: optional(overloadManager),
  cluster_manager: optional(clusterManager),
  default_regex_engine: optional(regexEngine),
  stats_config: optional(statsConfig),
  deferred_stat_options: optional(deferredStats),
  stats_flush_interval: optional(durationMs()),
  stats_flush_on_admin: optional(flag()),
  enable_dispatcher_stats: only((given) => given === false, 'false'),
});

export type BootstrapConfig = Parsed<typeof bootstrap>;
