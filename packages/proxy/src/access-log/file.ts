/** Access logs in files, and on the standard streams. Lines are gathered and appended in the order of their requests. */
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';

const FLUSH_MS = 1000;
const FLUSH_CHARACTERS = 16_384;
/** What may wait for a disk that is slower than the requests; beyond it lines are lost, and counted. */
const MAX_WAITING_BYTES = 8 * 1_048_576;
/** A file that could not be written is opened again, at the earliest after this. */
const RETRY_MS = 5000;

function standardStream(path: string): Writable | undefined {
  if (path === '/dev/stdout') return process.stdout;
  return path === '/dev/stderr' ? process.stderr : undefined;
}

/** One file that several logs may write to. */
export class LogFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #standard: Writable | undefined;
  #stream: Writable | undefined;
  #waiting = '';
  #waitingLines = 0;
  #isScheduled = false;
  /** Whether the trouble that there is has been told. */
  #isTold = false;
  #retryAtMs = 0;
  /** Lines that were lost: the disk was too slow, or there was an error. */
  dropped = 0;

  constructor(path: string, clock: Clock, log: Log) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
    this.#standard = standardStream(path);
    this.#open();
  }

  write(line: string): void {
    this.#waiting += line;
    this.#waitingLines++;
    if (this.#waiting.length >= FLUSH_CHARACTERS) this.flush();
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#clock.after(FLUSH_MS, () => {
        this.#isScheduled = false;
        this.flush();
      });
    }
  }

  #open(): void {
    const stream = this.#standard ?? createWriteStream(this.#path, { flags: 'a' });
    this.#stream = stream;
    stream.on('error', this.#onError);
  }

  readonly #onError = (error: Error): void => {
    this.#tell(`an access log cannot be written: ${error.message}`);
    if (this.#standard) return;
    this.#stream = undefined;
    this.#retryAtMs = this.#clock.monotonicMs() + RETRY_MS;
  };

  #tell(message: string): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#log.error({ path: this.#path }, message);
  }

  flush(): void {
    const lines = this.#waitingLines;
    const text = this.#waiting;
    if (lines === 0) return;
    this.#waiting = '';
    this.#waitingLines = 0;
    if (!this.#stream && this.#clock.monotonicMs() >= this.#retryAtMs) this.#open();
    const stream = this.#stream;
    if (!stream) this.dropped += lines;
    else if (stream.writableLength > MAX_WAITING_BYTES) {
      this.#tell('an access log is written more slowly than it grows: lines are lost');
      this.dropped += lines;
    } else {
      stream.write(text, (error) => {
        if (error) this.dropped += lines;
        else this.#isTold = false;
      });
    }
  }

  /** Goes on in a file of the same name: what was there was moved away, as those who rotate logs do. */
  reopen(): void {
    if (this.#standard) return;
    this.flush();
    this.#stream?.end();
    this.#open();
  }

  /** Resolves when everything is written, or cannot be. */
  close(): Promise<void> {
    this.flush();
    const stream = this.#stream;
    if (!stream || stream.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      if (this.#standard) {
        stream.write('', () => {
          stream.off('error', this.#onError);
          resolve();
        });
      } else {
        stream.once('close', resolve);
        stream.end();
      }
    });
  }
}
