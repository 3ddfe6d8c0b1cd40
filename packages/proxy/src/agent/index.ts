/** The agent: runs a workload with its sidecar, on either data plane. Knows nothing of the control plane but its gRPC. */
export type { Log } from './log.ts';
export type { AgentOptions, AgentReady, AgentUpstream, SignalSource } from './options.ts';
export { defaultWorkloadId } from './options.ts';
export { runAgent } from './run.ts';
