/** What the payloads of frames must look like (RFC 9113, 6). */
import { ERROR, FLAG_PADDED, FLAG_PRIORITY, Http2Error } from './frames.ts';

export function expectSize(what: string, size: number, wanted: number): void {
  if (size !== wanted) throw new Http2Error(ERROR.frameSize, `a ${what} of ${size} bytes`);
}

export function expectStream(what: string, streamId: number): void {
  if (streamId === 0) throw new Http2Error(ERROR.protocol, `${what} on no stream`);
}

export function expectConnection(what: string, streamId: number): void {
  if (streamId !== 0) throw new Http2Error(ERROR.protocol, `${what} on a stream`);
}

/** The stream whose priority starts at `at` must not depend on itself. */
export function expectOther(streamId: number, bytes: Buffer, at: number): void {
  if ((bytes.readUInt32BE(at) & 0x7fff_ffff) === streamId) {
    throw new Http2Error(ERROR.protocol, 'a stream that depends on itself');
  }
}

/** The block of fields in a HEADERS frame: what is left of its payload without padding and priority. */
export class Fragment {
  start = 0;
  end = 0;

  read(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    this.start = start;
    this.end = end;
    if ((flags & FLAG_PADDED) !== 0) {
      if (start === end) throw new Http2Error(ERROR.frameSize, 'padded HEADERS without the length of their padding');
      this.end -= bytes[this.start++] as number;
    }
    if ((flags & FLAG_PRIORITY) !== 0) {
      if (this.end - this.start >= 5) expectOther(streamId, bytes, this.start);
      this.start += 5;
    }
    if (this.end < this.start) throw new Http2Error(ERROR.protocol, 'HEADERS with more padding than bytes');
  }
}
