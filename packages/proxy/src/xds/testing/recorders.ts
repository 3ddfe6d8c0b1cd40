/** Listeners for tests that note what they are told. */
import type { ResourceSource } from '../../config/config-source.ts';
import type { ConfigIssue } from '../../config/schema.ts';
import type { Log } from '../../log.ts';
import type { CollectionListener, CollectionUpdate, ResourceIssue, ResourceListener } from '../subscriptions.ts';

export const ADS: ResourceSource = { type: 'ads', initialFetchTimeoutMs: 0 };

/** A source with a stream of its own. */
export function own(cluster: string): ResourceSource {
  return { type: 'grpc', service: { cluster, variant: 'delta', saysNodeOnce: true }, initialFetchTimeoutMs: 0 };
}

/** Notes what it is told of one resource: `1` for a version, `-` for its removal. */
export class Recorder implements ResourceListener {
  readonly told: string[] = [];
  /** What is wrong with what it is told from now on. */
  issues: readonly ConfigIssue[] = [];

  onResource(_resource: unknown, version: string): readonly ConfigIssue[] {
    this.told.push(version);
    return this.issues;
  }

  onRemoved(): void {
    this.told.push('-');
  }
}

/** Notes what it is told of all resources: `a@1 b@2 -c`. */
export class CollectionRecorder implements CollectionListener {
  readonly told: string[] = [];
  issues: readonly ResourceIssue[] = [];

  onUpdate({ changed, removed }: CollectionUpdate): readonly ResourceIssue[] {
    this.told.push(
      [...changed.map(({ name, version }) => `${name}@${version}`), ...removed.map((name) => `-${name}`)].join(' '),
    );
    return this.issues;
  }
}

/** A log that keeps its lines: `warn: text`. */
export function recordingLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const line = (level: string) => (fields: object, text: string) => {
    lines.push(`${level}: ${text} ${JSON.stringify(fields)}`);
  };
  return { lines, debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}
