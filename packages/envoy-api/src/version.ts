/** The version of Envoy whose API this package holds, and that the tests run. */
export const ENVOY_VERSION = '1.40.0';
