/** One unbroken sequence made of feeds that break. */
import { setTimeout as delay } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';
import { onAbort } from '../wakeup.ts';
import { isTransient } from './failure.ts';
import type { Ports } from './ports.ts';
import { pauseMs, toBusError } from './retry.ts';
import type { Place } from './streams.ts';

function mayPass(thrown: unknown): boolean {
  return thrown instanceof WeftError ? thrown.code === 'UNAVAILABLE' : isTransient(thrown);
}

/** The items of one run, ended at once by `over`, whatever the run waits for. */
async function* untilOver<T>(run: AsyncGenerator<T>, over: AbortSignal): AsyncGenerator<T> {
  const ended = Promise.withResolvers<undefined>();
  const forget = onAbort(over, () => ended.resolve(undefined));
  try {
    for (;;) {
      const next = await Promise.race([run.next(), ended.promise]);
      if (!next || next.done) return;
      yield next.value;
    }
  } finally {
    forget();
    // It ends in its own time, when what it waits for has been.
    run.return(undefined).catch(() => undefined);
  }
}

/**
 * The items of `follow`, which is called again whenever it fails in a way that passes, until `over` aborts. With
 * `giveUpAfterMs`, throws `WeftError` after that long without an item.
 */
export async function* reopening<T>(
  follow: (over: AbortSignal) => AsyncGenerator<T>,
  over: AbortSignal,
  place: Place,
  ports: Ports,
  giveUpAfterMs = Number.POSITIVE_INFINITY,
): AsyncGenerator<T> {
  const retry = { what: place.what, timeoutMs: giveUpAfterMs, retryable: true };
  let attempt = 0;
  let progressAt = performance.now();
  while (!over.aborted) {
    try {
      for await (const item of untilOver(follow(over), over)) {
        yield item;
        attempt = 0;
        progressAt = performance.now();
      }
      return;
    } catch (thrown) {
      if (over.aborted) return;
      if (!mayPass(thrown) || performance.now() - progressAt > giveUpAfterMs) throw toBusError(thrown, retry);
      if (attempt === 0) ports.log.info({ err: thrown }, `reading ${place.what} begins again where it broke`);
      ports.streams.forget(place);
      await delay(pauseMs(++attempt));
    }
  }
}
