/** What the API tells of itself at `/metrics`. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { MeshView } from './view.ts';

export type ApplyResult = 'applied' | 'unchanged' | 'dry_run' | 'violations' | 'conflict' | 'error';

export interface ApiMetrics {
  readonly applies: Counter<'result'>;
}

export function apiMetrics(registry: Registry, view: MeshView): ApiMetrics {
  new Gauge({
    name: 'weft_api_revision',
    help: 'The newest revision of the configuration.',
    registers: [registry],
    collect() {
      this.set(view.revision);
    },
  });
  new Gauge({
    name: 'weft_api_resources',
    help: 'Resources of the mesh.',
    registers: [registry],
    collect() {
      this.set(view.stored.size);
    },
  });
  const applies = new Counter({
    name: 'weft_api_applies_total',
    help: 'Change-sets that were sent to this instance, by what became of them.',
    labelNames: ['result'],
    registers: [registry],
  });
  return { applies };
}
