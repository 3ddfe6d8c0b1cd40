/** What tests of whole proxies stand on, in this package and beyond it. */

export { FLAG_END_HEADERS, FLAG_END_STREAM, FLAG_PADDED, FRAME } from '../http2/frames.ts';
export { FramePeer } from '../http2/testing/frame-peer.ts';
export {
  block,
  data,
  type Field,
  frame,
  HELLO_WITH_ACK as HELLO,
  headers,
  many,
  reset,
  settings,
  uint32,
} from '../http2/testing/frames.ts';
export { askAdmin, askPorts, askStat } from './admin-client.ts';
export { answered, httpListener, loadAssignment, localAddress, routes, staticCluster } from './bootstrap.ts';
export { freePort, listen } from './listening.ts';
