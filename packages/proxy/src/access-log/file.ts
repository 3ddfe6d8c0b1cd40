/** Access logs in files, and on the standard streams. Lines are gathered and appended in the order of their requests. */
import type { Writable } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { openFile } from './open-file.ts';

const FLUSH_MS = 1000;
const FLUSH_CHARACTERS = 16_384;
/** What may wait for a disk that is slower than the requests; beyond it lines are lost, and counted. */
const MAX_WAITING_BYTES = 8 * 1_048_576;
/** A file that could not be written is opened again, at the earliest after this. */
const RETRY_MS = 5000;
/** How long closing waits for what is left to be written: a pipe may have a reader that reads no more. */
const CLOSE_MS = 2000;
/** The same of a file that is gone on without. */
const LEAVE_MS = 30_000;

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
  /** While the file is opened, lines wait. */
  #opening: Promise<void> | undefined;
  #isClosed = false;
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

  /** Adds a line, with its end: bytes, a character for each. */
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
    if (this.#standard) this.#use(this.#standard);
    else this.#opening ??= this.#openFile();
  }

  async #openFile(): Promise<void> {
    try {
      this.#use(await openFile(this.#path));
    } catch (error) {
      this.#onError(error as Error);
    }
    this.#opening = undefined;
    this.flush();
  }

  #use(stream: Writable): void {
    this.#stream = stream;
    stream.on('error', this.#onError);
  }

  readonly #onError = (error: Error): void => {
    this.#tell(`an access log cannot be written: ${error.message}`);
    // Of a file that was gone on without before.
    if (this.#standard || this.#stream?.destroyed === false) return;
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
    if (lines === 0) return;
    const isDue = this.#clock.monotonicMs() >= this.#retryAtMs;
    if (!this.#stream && isDue && !this.#isClosed) this.#open();
    if (this.#opening && this.#waiting.length <= MAX_WAITING_BYTES) return;
    const text = this.#waiting;
    this.#waiting = '';
    this.#waitingLines = 0;
    const stream = this.#stream;
    if (!stream) this.dropped += lines;
    else if (stream.writableLength > MAX_WAITING_BYTES) {
      this.#tell('an access log is written more slowly than it grows: lines are lost');
      this.dropped += lines;
    } else {
      stream.write(text, 'latin1', (error) => {
        if (error) this.dropped += lines;
        else this.#isTold = false;
      });
    }
  }

  /** Goes on in a file of the same name: what was there was moved away, as those who rotate logs do. */
  reopen(): void {
    if (this.#standard) return;
    if (this.#opening) {
      void this.#opening.then(() => this.reopen());
      return;
    }
    this.flush();
    const before = this.#stream;
    before?.end();
    this.#clock.after(LEAVE_MS, () => before?.destroy());
    this.#stream = undefined;
    this.#open();
  }

  /** Resolves when everything is written, or cannot be, after two seconds at the latest. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const { promise: tooLate, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(CLOSE_MS, resolve);
    await Promise.race([this.#writeAll(), tooLate]);
    cancel();
    if (this.#standard) this.#standard.off('error', this.#onError);
    else this.#stream?.destroy();
  }

  async #writeAll(): Promise<void> {
    await this.#opening;
    this.flush();
    const stream = this.#stream;
    if (!stream || stream.destroyed) return;
    await new Promise<void>((resolve) => {
      if (this.#standard) stream.write('', () => resolve());
      else {
        stream.once('close', resolve);
        stream.end();
      }
    });
  }
}
