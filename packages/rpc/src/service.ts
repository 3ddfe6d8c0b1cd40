/** Services as values that a server takes. */
import type { ServiceDefinition } from '@weft/contracts/rpc';
import type { Handlers, MountedMethod, MountedService, RawHandler } from './types.ts';

/** Joins a service of a contract with what answers its methods. */
export function typedService<S extends ServiceDefinition>(definition: S, handlers: Handlers<S>): MountedService {
  const methods = new Map<string, MountedMethod>();
  for (const [name, method] of Object.entries(definition)) {
    const handler: MountedMethod & { readonly type: 'typed' } = {
      type: 'typed',
      method,
      handler: handlers[name] as never,
    };
    methods.set(method.path, handler);
  }
  return { methods };
}

/** Methods that take and give encoded messages, by path: `/envoy.service.discovery.v3.AggregatedDiscoveryService/…`. */
export function rawService(handlers: Readonly<Record<string, RawHandler>>): MountedService {
  const entries = Object.entries(handlers);
  return { methods: new Map(entries.map(([path, handler]) => [path, { type: 'raw', handler }])) };
}
