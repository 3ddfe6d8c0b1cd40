export { connect } from './client/channel.ts';
export { memoryStreamPair } from './memory.ts';
export { listen } from './server/listen.ts';
export { rawService, typedService } from './service.ts';
export { changingTls, fixedTls } from './tls-source.ts';
export type * from './types.ts';
