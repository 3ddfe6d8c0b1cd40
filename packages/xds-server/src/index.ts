export { startXdsServer, type XdsOptions } from './start.ts';
