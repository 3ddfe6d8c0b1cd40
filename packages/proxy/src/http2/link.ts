/**
 * What both sides of a connection do apart from messages (RFC 9113): settings, windows, pings, its streams, and its end.
 */
import type { Socket } from 'node:net';
import { type Clock, Deadline } from '../clock.ts';
import type { HeaderList } from '../http/header-list.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import { FloodGuard } from './flood-guard.ts';
import { FrameWriter } from './frame-writer.ts';
import { DEFAULT_WINDOW, ERROR, type ErrorCode, FLAG_ACK, Http2Error, MAX_WINDOW, SETTING } from './frames.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import { Keepalive } from './keepalive.ts';
import type { Http2Options } from './options.ts';
import { expectConnection, expectOther, expectSize, expectStream } from './payload.ts';
import { RecentResets } from './recent-resets.ts';
import { PeerSettings } from './settings.ts';
import type { Http2Stats } from './stats.ts';
import type { Http2Stream, StreamHost } from './stream.ts';
import { StreamTable } from './stream-table.ts';
import { WaitingStreams } from './waiting-streams.ts';

/** How long the peer may take to acknowledge settings (RFC 9113, 6.5.3). */
const SETTINGS_TIMEOUT_MS = 30_000;
/** What a PING of this side holds, by what it is for. */
export const PING = { keepalive: 1, drain: 2 } as const;

export abstract class Http2Link<S extends Http2Stream> implements StreamHost {
  readonly socket: Socket;
  readonly writer: FrameWriter;
  readonly stats: Http2Stats;
  sendWindow = DEFAULT_WINDOW;
  protected readonly options: Http2Options;
  protected readonly clock: Clock;
  protected readonly peer = new PeerSettings();
  protected readonly encoder = new HpackEncoder();
  protected readonly streams = new StreamTable<S>();
  protected readonly resets = new RecentResets();
  protected readonly guard: FloodGuard;
  readonly #waiting: WaitingStreams;
  readonly #settingsTimeout: Deadline;
  readonly #keepalive: Keepalive;
  #receiveWindow: number;
  /** Of what came on the connection: taken, and not yet given back to the peer as window. */
  #unannounced = 0;
  protected hasSettings = false;
  protected hasSettingsAck = false;
  #isOver = false;

  constructor(socket: Socket, options: Http2Options, queue: FlushQueue, clock: Clock, stats: Http2Stats) {
    this.socket = socket;
    this.options = options;
    this.clock = clock;
    this.stats = stats;
    this.writer = new FrameWriter(socket, queue, () => this.#waiting.pump());
    this.#waiting = new WaitingStreams(this.writer);
    this.guard = new FloodGuard(options.limits, stats, this.writer);
    this.#receiveWindow = options.connectionWindowBytes;
    this.#settingsTimeout = new Deadline(clock, () => this.#onSettingsTimeout());
    socket.on('error', (error) => this.over(error.message));
    socket.on('close', () => this.over(''));
    const ping = (): void => this.writer.ping(false, PING.keepalive, 0);
    this.#keepalive = new Keepalive(options.keepalive, clock, ping, () => this.#onSilence());
  }

  // What a side adds.

  /** The peer takes, from now on, what it said; this side's settings hold for it from {@link onSettingsAck} on. */
  protected abstract onPeerSettings(): void;
  protected abstract onSettingsAck(): void;
  protected abstract onPong(what: number): void;
  /** Whether a stream of that number was never opened. */
  protected abstract isIdle(streamId: number): boolean;
  /** The last stream of the peer that this side has taken. */
  protected abstract get lastPeerStream(): number;
  /** A stream is over and forgotten. */
  protected abstract onStreamGone(stream: S): void;
  /** The peer broke the protocol, or its limits; the connection is being closed. */
  protected abstract onFailed(error: Http2Error): void;
  /** The peer reset a stream, or made this side do so. */
  protected abstract onStreamCut(stream: S | undefined): void;
  /** Nothing more is read. */
  protected abstract stopReading(): void;
  /** All is over; {@link cutStreams} tells the streams. */
  protected abstract onOver(text: string): void;

  /** Whether nothing more is read: what was written may be on its way still. */
  get isClosing(): boolean {
    return this.#isOver;
  }

  get maxFrameBytes(): number {
    return this.peer.maxFrameBytes;
  }

  get streamWindowBytes(): number {
    return this.options.streamWindowBytes;
  }

  /** Sends the first frames. */
  protected greet(settings: readonly (readonly [id: number, value: number])[]): void {
    const { options } = this;
    this.writer.settings([
      [SETTING.headerTableSize, options.hpackTableBytes],
      [SETTING.initialWindowSize, options.streamWindowBytes],
      ...settings,
    ]);
    const more = options.connectionWindowBytes - DEFAULT_WINDOW;
    if (more > 0) this.writer.windowUpdate(0, more);
    this.#settingsTimeout.set(SETTINGS_TIMEOUT_MS);
  }

  // What frames of the connection say.

  protected onWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    expectSize('WINDOW_UPDATE', end - start, 4);
    this.guard.onWindowUpdate();
    const more = bytes.readUInt32BE(start) & 0x7fff_ffff;
    if (streamId === 0) {
      if (more === 0) throw new Http2Error(ERROR.protocol, 'a WINDOW_UPDATE of nothing');
      this.sendWindow += more;
      if (this.sendWindow > MAX_WINDOW) throw new Http2Error(ERROR.flowControl, 'a window beyond 2^31-1');
      this.#waiting.pump();
      return;
    }
    const stream = this.streams.get(streamId);
    if (!stream) {
      if (this.isIdle(streamId)) throw new Http2Error(ERROR.protocol, 'WINDOW_UPDATE on an idle stream');
      return;
    }
    if (more === 0) {
      this.streamError(stream, ERROR.protocol, 'a WINDOW_UPDATE of nothing');
      return;
    }
    stream.sendWindow += more;
    if (stream.sendWindow > MAX_WINDOW) this.streamError(stream, ERROR.flowControl, 'a window beyond 2^31-1');
    else if (this.#waiting.has(stream)) this.#waiting.pump();
  }

  protected onSettings(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    expectConnection('SETTINGS', streamId);
    if ((flags & FLAG_ACK) !== 0) {
      if (end > start) throw new Http2Error(ERROR.frameSize, 'an acknowledgement of SETTINGS that says something');
      this.hasSettingsAck = true;
      this.#settingsTimeout.dispose();
      this.onSettingsAck();
      return;
    }
    const { peer } = this;
    const before = peer.initialWindow;
    peer.read(bytes, start, end);
    this.hasSettings = true;
    const more = peer.initialWindow - before;
    if (more !== 0) this.#changeWindows(more);
    this.encoder.limit(Math.min(peer.tableBytes, this.options.hpackTableBytes));
    this.writer.settingsAck();
    this.onPeerSettings();
    this.#waiting.pump();
  }

  #changeWindows(more: number): void {
    for (const stream of this.streams.all()) {
      stream.sendWindow += more;
      if (stream.sendWindow > MAX_WINDOW) throw new Http2Error(ERROR.flowControl, 'a window beyond 2^31-1');
    }
  }

  protected onPing(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    expectConnection('PING', streamId);
    expectSize('PING', end - start, 8);
    const first = bytes.readUInt32BE(start);
    const second = bytes.readUInt32BE(start + 4);
    if ((flags & FLAG_ACK) === 0) {
      this.writer.ping(true, first, second);
      return;
    }
    if (first === PING.keepalive) this.#keepalive.answered();
    else this.onPong(first);
  }

  protected onPriority(streamId: number, bytes: Buffer, start: number, end: number): void {
    expectStream('PRIORITY', streamId);
    this.guard.onPriority();
    expectSize('PRIORITY', end - start, 5);
    expectOther(streamId, bytes, start);
  }

  /** Takes note of so many bytes of a DATA frame. */
  protected arrived(bytes: number): void {
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0) throw new Http2Error(ERROR.flowControl, 'more than the window of the connection');
  }

  // What streams ask.

  sendTrailers(stream: Http2Stream, trailers: HeaderList): void {
    const { encoder } = this;
    this.writer.beginBlock(encoder);
    this.encodeFields(trailers);
    this.writer.endBlock(encoder, stream.id, true, this.peer.maxFrameBytes);
  }

  protected encodeFields({ flat, secret }: HeaderList): void {
    const { encoder } = this;
    const { length } = flat;
    if (secret) {
      for (let i = 0; i < length; i += 2) {
        encoder.field(flat[i] as string, flat[i + 1] as string, secret.includes(flat[i] as string));
      }
      return;
    }
    for (let i = 0; i < length; i += 2) encoder.field(flat[i] as string, flat[i + 1] as string);
  }

  consumed(bytes: number): void {
    if (this.isClosing) return;
    this.#unannounced += bytes;
    if (this.#unannounced < this.options.connectionWindowBytes >> 1) return;
    this.writer.windowUpdate(0, this.#unannounced);
    this.#receiveWindow += this.#unannounced;
    this.#unannounced = 0;
  }

  wait(stream: Http2Stream): void {
    this.#waiting.add(stream);
  }

  abstract waitForFlush(stream: Http2Stream): void;

  gone(stream: Http2Stream): void {
    const known = this.streams.get(stream.id);
    if (known !== stream) return;
    this.streams.delete(stream.id);
    this.#waiting.delete(stream);
    this.stats.streams_active--;
    this.guard.streamEnded();
    this.onStreamGone(known);
  }

  /** Resets a stream from this side. */
  reset(stream: Http2Stream, code: ErrorCode): void {
    if (stream.isClosed) return;
    this.resets.add(stream.id);
    this.writer.reset(stream.id, code);
    this.stats.tx_reset++;
    stream.close();
  }

  /** The peer is at fault on one stream, which ends. */
  protected streamError(stream: S, code: ErrorCode, _detail: string): void {
    this.reset(stream, code);
    stream.onReset(code, false);
    this.onStreamCut(stream);
  }

  // The end.

  #onSettingsTimeout(): void {
    this.fail(new Http2Error(ERROR.settingsTimeout, 'the settings were not acknowledged'));
  }

  #onSilence(): void {
    this.stats.keepalive_timeout++;
    this.fail(new Http2Error(ERROR.none, 'a PING was not answered'));
  }

  /** Tells the peer what was wrong, and closes the connection. */
  fail(error: Http2Error): void {
    if (this.isClosing) return;
    this.onFailed(error);
    this.stats.goaway_sent++;
    this.writer.goaway(this.lastPeerStream, error.code);
    this.writer.end();
    this.over(error.message);
  }

  /** Closes a connection on which nothing runs any more, as agreed. */
  protected close(): void {
    if (this.isClosing) return;
    this.stats.goaway_sent++;
    this.writer.goaway(this.lastPeerStream, ERROR.none);
    this.writer.end();
    this.over('');
  }

  protected over(text: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.stopReading();
    this.#settingsTimeout.dispose();
    this.#keepalive.dispose();
    this.#waiting.clear();
    this.onOver(text);
  }

  /** Ends every stream with the connection. */
  protected cutStreams(): void {
    for (const stream of this.streams.all()) {
      stream.close();
      stream.onCut();
    }
  }
}
