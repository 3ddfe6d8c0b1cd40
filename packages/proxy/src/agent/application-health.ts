/** Whether the application takes requests: its port accepts connections or, where it has one, its health path answers. */
import { get } from 'node:http';
import { sleep } from './backoff.ts';
import { accepts } from './ports.ts';

export interface ApplicationHealthOptions {
  /** At 127.0.0.1. */
  readonly port: number;
  /** A path that answers 2xx or 3xx. */
  readonly path: string | undefined;
  /** Called with each change; before the first call the application starts. */
  readonly onChange: (health: 'READY' | 'UNREADY') => void;
  /** Called once when it has not become ready for a while. */
  readonly onSlow: () => void;
  readonly signal: AbortSignal;
}

/** How often it is looked at: often while it may become ready at any moment, then rarely. */
const STARTING_EVERY_MS = 25;
const FAILING_EVERY_MS = 250;
const READY_EVERY_MS = 1000;
/** How many looks in a row must fail: one may fall into a busy moment. */
const FAILURES = 2;
const SLOW_MS = 10_000;
const TIMEOUT_MS = 2000;

/** Whether a GET of the path answers 2xx or 3xx in time. */
export function answers(port: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path, timeout: TIMEOUT_MS, agent: false }, (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 400);
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(false));
    request.once('close', () => resolve(false));
  });
}

/** Looks at the application until `signal` aborts. */
export async function watchApplication(options: ApplicationHealthOptions): Promise<void> {
  const { port, path, signal } = options;
  const startedAt = performance.now();
  let health: 'STARTING' | 'READY' | 'UNREADY' = 'STARTING';
  let failures = 0;
  let isSlowTold = false;
  while (!signal.aborted) {
    const isUp = path === undefined ? await accepts(port, TIMEOUT_MS) : await answers(port, path);
    if (signal.aborted) return;
    failures = isUp ? 0 : failures + 1;
    if (isUp && health !== 'READY') {
      health = 'READY';
      options.onChange(health);
    } else if (failures >= FAILURES && health === 'READY') {
      health = 'UNREADY';
      options.onChange(health);
    }
    if (health === 'STARTING' && !isSlowTold && performance.now() - startedAt > SLOW_MS) {
      isSlowTold = true;
      options.onSlow();
    }
    const isStarting = health === 'STARTING' && !isSlowTold;
    await sleep(isUp ? READY_EVERY_MS : isStarting ? STARTING_EVERY_MS : FAILING_EVERY_MS, signal);
  }
}
