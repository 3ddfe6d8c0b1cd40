/** Weft's own proxy: a second implementation of the Envoy v3 data plane. */
export type { Log, LogLevel } from './log.ts';
export { type DrainRequest, type ProxyOptions, type RunningProxy, startProxy } from './server.ts';
export type { StreamFactory } from './streams.ts';
