/** The signals of one run: which stop it, which hurry it, which go on to the application. */
import { constants } from 'node:os';
import type { SignalSource } from './options.ts';

const STOPPING = ['SIGTERM', 'SIGINT'] as const;
const FORWARDED = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT', 'SIGWINCH'] as const;

export class RunSignals {
  readonly #source: SignalSource;
  readonly #stop = new AbortController();
  readonly #hurry = new AbortController();
  readonly #kill = new AbortController();
  #first: NodeJS.Signals | undefined;
  #forward: (signal: NodeJS.Signals) => void = () => undefined;

  constructor(source: SignalSource) {
    this.#source = source;
    for (const signal of STOPPING) source.on(signal, this.#onStopping);
    for (const signal of FORWARDED) source.on(signal, this.#onForwarded);
  }

  /** Aborts with the first SIGTERM or SIGINT: stop in order. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborts with the second: wait for nobody. */
  get hurry(): AbortSignal {
    return this.#hurry.signal;
  }

  /** Aborts with the third: end the application by force. */
  get kill(): AbortSignal {
    return this.#kill.signal;
  }

  /** The exit code of a program that the signal which asked to stop has ended. */
  get exitCode(): number {
    return 128 + constants.signals[this.#first ?? 'SIGTERM'];
  }

  /** Hands the other signals to the application from now on. */
  forwardTo(forward: (signal: NodeJS.Signals) => void): void {
    this.#forward = forward;
  }

  close(): void {
    for (const signal of STOPPING) this.#source.off(signal, this.#onStopping);
    for (const signal of FORWARDED) this.#source.off(signal, this.#onForwarded);
  }

  readonly #onStopping = (signal: NodeJS.Signals): void => {
    this.#first ??= signal;
    const next = [this.#stop, this.#hurry, this.#kill].find((controller) => !controller.signal.aborted);
    next?.abort();
  };

  readonly #onForwarded = (signal: NodeJS.Signals): void => this.#forward(signal);
}
