/** Weft's own proxy: a second implementation of the Envoy v3 data plane. */
export type { DrainRequest } from './drain.ts';
export type { Log, LogLevel } from './log.ts';
export { type ProxyOptions, type RunningProxy, startProxy } from './server.ts';
export type { StreamFactory } from './streams.ts';
