/** Whether a log, or a mapper of local replies, is for what a request or connection came to. */
import type { Comparison, LogFilterConfig } from '../config/log-filter.ts';
import { valueAt } from '../config/metadata-path.ts';
import { Runtime } from '../runtime/runtime.ts';
import { grpcStatusIn, grpcStatusOfHttp } from './grpc.ts';
import { FLAG, isFlag } from './response-flags.ts';
import { headerMatches } from './route-match.ts';
import type { StreamInfo } from './stream-info.ts';

export type InfoFilter = (info: StreamInfo) => boolean;

export interface LogFilterContext {
  readonly runtime: Runtime;
}

/** gRPC's UNKNOWN. */
const UNKNOWN = 2;

function compare({ op, limit, key }: Comparison, runtime: Runtime, measure: (info: StreamInfo) => number): InfoFilter {
  const current = key === '' ? () => limit : () => runtime.integer(key, limit);
  switch (op) {
    case 'EQ':
      return (info) => measure(info) === current();
    case 'NE':
      return (info) => measure(info) !== current();
    case 'GE':
      return (info) => measure(info) >= current();
    case 'LE':
      return (info) => measure(info) <= current();
  }
}

function byFlags(names: readonly string[]): InfoFilter {
  const wanted = names.reduce((bits, name) => (isFlag(name) ? bits | FLAG[name] : bits), 0);
  return names.length === 0 ? (info) => info.flags !== 0 : (info) => (info.flags & wanted) !== 0;
}

/** What a call came to; of what is no gRPC, what its HTTP status stands for. */
function grpcStatusOf({ response, responseTrailers }: StreamInfo): number {
  const said = grpcStatusIn(responseTrailers) ?? grpcStatusIn(response?.headers);
  return said ?? (response ? grpcStatusOfHttp(response.status) : UNKNOWN);
}

/** The same for all that one request comes past: a number from its id, as Envoy makes it of a UUID. */
function numberOfId(info: StreamInfo): number | undefined {
  const id = /^([0-9a-f]{8})-/i.exec(info.request?.headers.get('x-request-id') ?? '');
  return id ? Number.parseInt(id[1] as string, 16) : undefined;
}

function byRuntime(
  { key, share, isIndependent }: Extract<LogFilterConfig, { type: 'runtime' }>,
  runtime: Runtime,
): InfoFilter {
  const { denominator } = share;
  return (info) => {
    const numerator = Math.min(runtime.integer(key, share.numerator), denominator);
    const drawn = isIndependent ? undefined : numberOfId(info);
    if (drawn !== undefined) return drawn % denominator < numerator;
    return runtime.isEnabled({ key: '', numerator, denominator });
  };
}

function byMetadata({ filter, path, test, otherwise }: Extract<LogFilterConfig, { type: 'metadata' }>): InfoFilter {
  return ({ dynamicMetadata }) => {
    const value = valueAt(dynamicMetadata?.get(filter), path);
    return value === undefined ? otherwise : test(value);
  };
}

const WITHOUT_RUNTIME = (): LogFilterContext => ({ runtime: new Runtime(undefined, Math.random) });

export function compileFilter(config: LogFilterConfig, context: LogFilterContext = WITHOUT_RUNTIME()): InfoFilter {
  const { runtime } = context;
  switch (config.type) {
    case 'not-health-check':
      return (info) => !info.isHealthCheck;
    case 'response-flags':
      return byFlags(config.flags);
    case 'status':
      return compare(config.comparison, runtime, (info) => info.response?.status ?? 0);
    case 'duration':
      return compare(config.comparison, runtime, (info) => Math.trunc(info.endMs - info.startMs));
    case 'header':
      return ({ request }) => (request ? headerMatches(config.header, request) : config.header.matches(undefined));
    case 'grpc-status':
      return (info) => config.statuses.has(grpcStatusOf(info)) !== config.excludes;
    case 'log-type': {
      const types = new Set(config.types);
      return ({ logType }) => types.has(logType) !== config.excludes;
    }
    case 'runtime':
      return byRuntime(config, runtime);
    case 'metadata':
      return byMetadata(config);
    case 'all':
    case 'any': {
      const filters = config.filters.map((filter) => compileFilter(filter, context));
      if (config.type === 'all') return (info) => filters.every((filter) => filter(info));
      return (info) => filters.some((filter) => filter(info));
    }
  }
}
