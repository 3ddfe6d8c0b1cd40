/** Streams that this side reset lately: what was on its way for them is no fault of the peer (RFC 9113, 5.1). */
const SIZE = 256;

export class RecentResets {
  #ids: Int32Array | undefined;
  #next = 0;

  add(streamId: number): void {
    this.#ids ??= new Int32Array(SIZE);
    this.#ids[this.#next] = streamId;
    this.#next = (this.#next + 1) % SIZE;
  }

  has(streamId: number): boolean {
    return this.#ids?.includes(streamId) ?? false;
  }
}
