import { message } from '../../../config/schema.ts';

/** https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/filters/listener/http_inspector/v3/http_inspector.proto */
export const httpInspector = message('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector', {});
