/** Access logs in files, and on the standard streams. Lines are gathered and appended in the order of their requests. */
import { createWriteStream, type WriteStream } from 'node:fs';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';

const FLUSH_MS = 1000;
const FLUSH_CHARACTERS = 16_384;
/** What may wait for a disk that is slower than the requests; beyond it lines are lost, and counted. */
const MAX_WAITING_BYTES = 8 * 1_048_576;

/** One file that several logs may write to. */
export class LogFile {
  readonly #stream: WriteStream | NodeJS.WriteStream;
  readonly #clock: Clock;
  #waiting = '';
  #isScheduled = false;
  dropped = 0;

  constructor(path: string, clock: Clock, log: Log) {
    this.#clock = clock;
    if (path === '/dev/stdout') this.#stream = process.stdout;
    else if (path === '/dev/stderr') this.#stream = process.stderr;
    else {
      this.#stream = createWriteStream(path, { flags: 'a' });
      this.#stream.on('error', (error) =>
        log.error({ path, reason: error.message }, 'an access log cannot be written'),
      );
    }
  }

  write(line: string): void {
    this.#waiting += line;
    if (this.#waiting.length >= FLUSH_CHARACTERS) this.flush();
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#clock.after(FLUSH_MS, () => this.flush());
    }
  }

  flush(): void {
    this.#isScheduled = false;
    if (this.#waiting === '') return;
    if (this.#stream.writableLength > MAX_WAITING_BYTES) this.dropped++;
    else this.#stream.write(this.#waiting);
    this.#waiting = '';
  }

  /** Resolves when everything is written. */
  close(): Promise<void> {
    this.flush();
    const stream = this.#stream;
    if (stream === process.stdout || stream === process.stderr || stream.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      stream.once('close', resolve);
      stream.end();
    });
  }
}
