/**
 * Flags of Envoy 1.40 that `weft proxy` does not act on (https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli): those
 * that decide nothing that it does are taken, so that command lines made for Envoy go on working; the others are refused.
 */

interface Unused {
  readonly type: 'string' | 'boolean';
  /** What is so whatever the flag says. */
  readonly because: string;
}

const LOG_LINES = 'log lines of Weft have one form';
const ONE_LEVEL = 'the log has one level for all parts; see --log-level';
const REFUSES = 'what is not known or not supported is refused by its path';
const NO_MUTEXES = 'threads share no locks';
const ITS_SOCKET = 'the socket of a hot restart follows from --base-id, for this user alone';

/** Taken; each is told with a warning. */
export const WITHOUT_EFFECT: Readonly<Record<string, Unused>> = {
  'component-log-level': { type: 'string', because: ONE_LEVEL },
  'enable-fine-grain-logging': { type: 'boolean', because: ONE_LEVEL },
  'log-format': { type: 'string', because: LOG_LINES },
  'log-format-escaped': { type: 'boolean', because: LOG_LINES },
  'log-stacktrace-single-entry': { type: 'boolean', because: LOG_LINES },
  'skip-deprecated-logs': { type: 'boolean', because: 'deprecated fields are not told' },
  'allow-unknown-fields': { type: 'boolean', because: REFUSES },
  'allow-unknown-static-fields': { type: 'boolean', because: REFUSES },
  'ignore-unknown-dynamic-fields': { type: 'boolean', because: REFUSES },
  'file-flush-interval-msec': { type: 'string', because: 'access logs are written after a second at the latest' },
  'file-flush-min-size-kb': { type: 'string', because: 'access logs are written from 16 KiB on' },
  'local-address-ip-version': { type: 'string', because: 'addresses are those of the connections' },
  'enable-mutex-tracing': { type: 'boolean', because: NO_MUTEXES },
  'enable-core-dump': { type: 'boolean', because: 'the limits of the system decide that' },
  'socket-path': { type: 'string', because: ITS_SOCKET },
  'socket-mode': { type: 'string', because: ITS_SOCKET },
};

/** What Weft does anyway. */
export const ALREADY_SO: readonly string[] = ['reject-unknown-dynamic-fields', 'skip-hot-restart-parent-stats'];

/** Refused: without what they ask for the proxy would do something else than was meant. */
export const REFUSED: Readonly<Record<string, Unused>> = {
  'stats-tag': { type: 'string', because: 'statistics have the tags of Envoy, and no others' },
  'disable-extensions': {
    type: 'string',
    because: 'docs/envoy-api.md lists what there is, and none of it can be left out',
  },
  'base-id-path': { type: 'string', because: 'give the process a --base-id of your own' },
  'skip-hot-restart-on-no-parent': {
    type: 'boolean',
    because: 'a restart epoch from 1 on needs the process before; give --restart-epoch 0',
  },
};
