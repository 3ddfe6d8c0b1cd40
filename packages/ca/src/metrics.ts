/** What the CA counts. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { RefusalReason } from './tokens.ts';

export interface CaMetrics {
  readonly issued: Counter<'kind'>;
  readonly refused: Counter<'reason'>;
  readonly rootNotAfter: Gauge;
}

/** Why a join was refused, as the metric names it. */
export type JoinRefusal = RefusalReason | 'clock' | 'request' | 'other';

export function caMetrics(registry: Registry): CaMetrics {
  const registers = [registry];
  return {
    issued: new Counter({
      name: 'weft_ca_certificates_issued_total',
      help: 'Certificates issued, to workloads that joined or renewed, and to services of the control plane.',
      labelNames: ['kind'],
      registers,
    }),
    refused: new Counter({
      name: 'weft_ca_join_refused_total',
      help: 'Joins that were refused, by what was wrong.',
      labelNames: ['reason'],
      registers,
    }),
    rootNotAfter: new Gauge({
      name: 'weft_ca_root_not_after_seconds',
      help: 'When the root that signs ends, in seconds since 1970.',
      registers,
    }),
  };
}
