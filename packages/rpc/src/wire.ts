/**
 * What a gRPC stream is made of, for those who carry it over connections of their own: it loads no gRPC library
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 */
export { FrameReader, frame } from './frame.ts';
export { codeName, codeOfHttpStatus, decodeMessage } from './status.ts';
export { streamOver, type Wire, type WireEnd } from './stream.ts';
