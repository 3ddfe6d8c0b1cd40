/** What a peer says about itself (RFC 9113, 6.5; RFC 8441, 3). */
import { DEFAULT_WINDOW, ERROR, Http2Error, MAX_FRAME_BYTES, MAX_WINDOW, SETTING } from './frames.ts';
import { DEFAULT_TABLE_BYTES } from './hpack/decoder.ts';

export class PeerSettings {
  maxConcurrentStreams = Number.POSITIVE_INFINITY;
  initialWindow = DEFAULT_WINDOW;
  maxFrameBytes = MAX_FRAME_BYTES;
  tableBytes = DEFAULT_TABLE_BYTES;
  takesExtendedConnect = false;

  /** Takes the settings of a frame's payload, in order. Throws {@link Http2Error}. */
  read(bytes: Buffer, start: number, end: number): void {
    if ((end - start) % 6 !== 0) throw new Http2Error(ERROR.frameSize, 'a SETTINGS frame with a part of a setting');
    for (let at = start; at < end; at += 6) this.#set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
  }

  #set(id: number, value: number): void {
    switch (id) {
      case SETTING.headerTableSize:
        this.tableBytes = value;
        return;
      case SETTING.enablePush:
        if (value > 1) throw new Http2Error(ERROR.protocol, `ENABLE_PUSH is ${value}`);
        return;
      case SETTING.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return;
      case SETTING.initialWindowSize:
        if (value > MAX_WINDOW) throw new Http2Error(ERROR.flowControl, `INITIAL_WINDOW_SIZE is ${value}`);
        this.initialWindow = value;
        return;
      case SETTING.maxFrameSize:
        if (value < MAX_FRAME_BYTES || value > 0xff_ffff) {
          throw new Http2Error(ERROR.protocol, `MAX_FRAME_SIZE is ${value}`);
        }
        this.maxFrameBytes = value;
        return;
      case SETTING.enableConnectProtocol:
        if (value > 1) throw new Http2Error(ERROR.protocol, `ENABLE_CONNECT_PROTOCOL is ${value}`);
        this.takesExtendedConnect = value === 1;
    }
  }
}
