/** The checks of a cluster, as its configuration has them. */
import type { Clock } from '../../clock.ts';
import type { HealthCheckConfig } from '../../config/health-check.ts';
import type { ConnectOptions, TlsClient } from '../../net/connect.ts';
import type { FlushQueue } from '../../net/flush-queue.ts';
import { upstreamHttpOptions } from '../../pool/options.ts';
import type { Random } from '../balancer.ts';
import type { Cluster } from '../cluster.ts';
import type { Host } from '../host.ts';
import { HealthChecker } from './checker.ts';
import type { ProbeTransport } from './connection.ts';
import { eventPaths, HealthEvents, type WriteLine } from './events.ts';
import { GrpcProbe } from './grpc-probe.ts';
import { HttpProbe } from './http-probe.ts';
import type { Probe, ProbeOwner } from './probe.ts';
import type { HealthStats } from './stats.ts';
import { TcpProbe } from './tcp-probe.ts';

export interface ChecksOptions {
  readonly stats: HealthStats;
  readonly clock: Clock;
  readonly random: Random;
  readonly queue: FlushQueue;
  /** Lines of events go to a file of that path; default: nowhere. */
  readonly eventFile?: ((path: string) => WriteLine) | undefined;
  /** A check of a host ended. */
  readonly hostJudged?: ((host: Host) => void) | undefined;
}

/** The session's own timeout comes first: a connection that is late is no other failure than an answer that is. */
const CONNECT_SLACK_MS = 1000;

/** TLS that offers other protocols than the cluster's context does. */
function withAlpn(tls: TlsClient, alpn: readonly string[]): TlsClient {
  return {
    options(fallback) {
      const options = tls.options(fallback);
      return typeof options === 'string' ? options : { ...options, ALPNProtocols: [...alpn] };
    },
    verify: (socket, options) => tls.verify(socket, options),
    onHandshake: (socket) => tls.onHandshake(socket),
    onError: () => tls.onError(),
  };
}

function connectOptions(cluster: Cluster, host: Host, config: HealthCheckConfig): ConnectOptions {
  const connect = cluster.connectForCheck(host, config.transport_socket_match_criteria);
  const { tls } = connect;
  const alpn = config.tls_options?.alpn_protocols ?? [];
  return {
    ...connect,
    timeoutMs: config.timeout + CONNECT_SLACK_MS,
    tls: tls && alpn.length > 0 ? withAlpn(tls, alpn) : tls,
  };
}

function probeMaker(
  cluster: Cluster,
  config: HealthCheckConfig,
  { stats, clock, queue }: ChecksOptions,
): (host: Host, owner: ProbeOwner) => Probe {
  const reusesConnection = config.reuse_connection;
  const { http_health_check: http, tcp_health_check: tcp, grpc_health_check: grpc } = config;
  const http2 = { ...upstreamHttpOptions(cluster.config).http2, idleTimeoutMs: 0, maxRequests: 0 };
  const transport = (host: Host, alpn: readonly string[]): ProbeTransport => ({
    connect: { ...connectOptions(cluster, host, config), alpn },
    http2,
    queue,
    clock,
  });
  const common = { clusterName: cluster.name, reusesConnection };
  if (http) {
    const options = {
      ...common,
      config: http,
      onVerified: () => {
        stats.verify_cluster++;
      },
    };
    const alpn = http.codec_client_type === 'HTTP2' ? ['h2'] : [];
    return (host, owner) => new HttpProbe(host, owner, { ...options, transport: transport(host, alpn) });
  }
  if (grpc) {
    const options = { ...common, config: grpc, timeoutMs: config.timeout };
    return (host, owner) => new GrpcProbe(host, owner, { ...options, transport: transport(host, ['h2']) });
  }
  const options = { config: tcp ?? { send: undefined, receive: [] }, reusesConnection };
  return (host, owner) => new TcpProbe(host, owner, { ...options, connect: connectOptions(cluster, host, config) });
}

/** Checks for the hosts of a cluster; undefined where its configuration asks for none. */
export function healthChecks(cluster: Cluster, options: ChecksOptions): HealthChecker | undefined {
  const [config] = cluster.config.health_checks;
  if (!config) return undefined;
  const { eventFile, clock } = options;
  const files = eventFile ? eventPaths(config).map(eventFile) : [];
  return new HealthChecker({
    config,
    ...options,
    events: files.length > 0 ? new HealthEvents(config, cluster.name, clock, files) : undefined,
    ignoresNewHosts: cluster.config.common_lb_config?.ignore_new_hosts_until_first_hc ?? false,
    cluster: {
      hasTraffic: () => cluster.limits.wasUsed,
      healthChanged: () => cluster.healthChanged(),
      hostFailed: (host) => cluster.hostFailed(host),
      hostJudged: (host) => options.hostJudged?.(host),
    },
    makeProbe: probeMaker(cluster, config, options),
  });
}
