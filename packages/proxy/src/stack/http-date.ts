/** The value of the Date field (RFC 9110, 6.6.1), made once a second. */
import type { Clock } from '../clock.ts';

export class HttpDate {
  readonly #clock: Clock;
  #text = '';
  #second = -1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  current(): string {
    const second = Math.floor(this.#clock.wallMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = new Date(second * 1000).toUTCString();
    }
    return this.#text;
  }
}
