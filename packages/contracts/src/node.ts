/** What agents say to the control plane, by gRPC with mutual TLS. */
export * from '../gen/node.ts';
