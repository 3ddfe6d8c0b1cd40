import assert from 'node:assert/strict';
import { test } from 'node:test';
import { someRequest } from '../access-log/testing/some-request.ts';
import { accessLogFilter, type LogType } from '../config/log-filter.ts';
import { layeredRuntime } from '../config/runtime.ts';
import { Place } from '../config/schema.ts';
import { HeaderList } from '../http/header-list.ts';
import { Runtime } from '../runtime/runtime.ts';
import { compileFilter } from './log-filter.ts';
import { FLAG } from './response-flags.ts';
import type { StreamInfo } from './stream-info.ts';

interface Given {
  readonly values?: Readonly<Record<string, unknown>>;
  readonly random?: () => number;
  readonly logType?: LogType;
}

function filterOf(given: object, { values = {}, random = Math.random, logType = 'DownstreamEnd' }: Given = {}) {
  const place = new Place();
  const config = accessLogFilter.parse(given, place);
  assert.deepEqual(place.issues, []);
  const layers = layeredRuntime.parse({ layers: [{ name: 'static', static_layer: values }] }, place);
  const filter = compileFilter(config, { runtime: new Runtime(layers, random) });
  return (info: StreamInfo) => filter(Object.assign(info, { logType }));
}

function refusal(given: object): string {
  const place = new Place();
  accessLogFilter.parse(given, place);
  return place.issues.map(({ path, message }) => `${path}: ${message}`).join('\n');
}

const compared = (op: string, default_value: number, runtime_key = '') => ({
  comparison: { op, value: { default_value, runtime_key } },
});

/** Whether the filter is for `someRequest`, a POST that was answered with 201 after 42.9 ms. */
function isFor(given: object, change: (info: StreamInfo) => void = () => undefined, more?: Given): boolean {
  const info = someRequest({ 'x-kind': 'a' });
  change(info);
  return filterOf(given, more)(info);
}

test('statuses and durations are compared with numbers, which the runtime may replace', () => {
  assert.equal(isFor({ status_code_filter: compared('EQ', 201) }), true);
  assert.equal(isFor({ status_code_filter: compared('NE', 201) }), false);
  assert.equal(isFor({ status_code_filter: compared('GE', 202) }), false);
  const none = (info: StreamInfo) => Object.assign(info, { response: undefined });
  assert.equal(isFor({ status_code_filter: compared('LE', 0) }, none), true, 'no response counts as 0');
  assert.equal(isFor({ duration_filter: compared('EQ', 42) }), true);
  assert.equal(isFor({ duration_filter: compared('GE', 43) }), false);
  const values = { slow: 40 };
  assert.equal(isFor({ duration_filter: compared('GE', 1000, 'slow') }, undefined, { values }), true);
});

test('fields of the request, flags and what filters found out decide', () => {
  assert.equal(isFor({ header_filter: { header: { name: ':method', string_match: { exact: 'POST' } } } }), true);
  assert.equal(isFor({ header_filter: { header: { name: 'X-Kind', string_match: { exact: 'b' } } } }), false);
  assert.equal(isFor({ header_filter: { header: { name: 'x-none', present_match: false } } }), true);
  const noRequest = (info: StreamInfo) => Object.assign(info, { request: undefined });
  assert.equal(isFor({ header_filter: { header: { name: 'x-kind', present_match: true } } }, noRequest), false);
  const flagged = (info: StreamInfo) => Object.assign(info, { flags: FLAG.NR });
  assert.equal(isFor({ response_flag_filter: { flags: ['NR', 'UF'] } }, flagged), true);
  assert.equal(isFor({ response_flag_filter: { flags: ['UMSDR'] } }, flagged), false);
  const value = { string_match: { exact: 'yes' } };
  const matcher = { filter: 'f', path: [{ key: 'a' }, { key: 'b' }], value };
  const found = (b: string) => (info: StreamInfo) => info.addMetadata('f', { a: { b } });
  assert.equal(isFor({ metadata_filter: { matcher } }, found('yes')), true);
  assert.equal(isFor({ metadata_filter: { matcher } }, found('no')), false);
  assert.equal(isFor({ metadata_filter: { matcher } }), true, 'what nothing is known of is logged');
  assert.equal(isFor({ metadata_filter: { matcher, match_if_key_not_found: false } }), false);
});

test('the status of gRPC is that of trailers, then of the head, else what the HTTP status stands for', () => {
  const exhausted = { grpc_status_filter: { statuses: ['RESOURCE_EXHAUSTED'] } };
  const trailers = (info: StreamInfo) =>
    Object.assign(info, { responseTrailers: new HeaderList(['grpc-status', '8']) });
  const head = (info: StreamInfo) => info.response?.headers.set('grpc-status', '8');
  assert.equal(isFor(exhausted, trailers), true);
  assert.equal(isFor(exhausted, head), true);
  assert.equal(isFor({ grpc_status_filter: { ...exhausted.grpc_status_filter, exclude: true } }, trailers), false);
  const missing = (info: StreamInfo) => Object.assign(info.response ?? {}, { status: 404 });
  assert.equal(isFor({ grpc_status_filter: { statuses: ['UNIMPLEMENTED'] } }, missing), true);
  const none = (info: StreamInfo) => Object.assign(info, { response: undefined, responseTrailers: undefined });
  assert.equal(isFor({ grpc_status_filter: { statuses: ['UNKNOWN'] } }, none), true);
});

test('a share of requests is drawn by their ids, or at random', () => {
  const filter = { runtime_key: 'logged', percent_sampled: { numerator: 50 } };
  const id = (text: string) => (info: StreamInfo) => info.request?.headers.set('x-request-id', text);
  const low = id('00000031-0000-4000-8000-000000000000');
  const high = id('00000032-0000-4000-8000-000000000000');
  assert.equal(isFor({ runtime_filter: filter }, low), true, '49 of 100 is below 50');
  assert.equal(isFor({ runtime_filter: filter }, high), false);
  assert.equal(isFor({ runtime_filter: filter }, high, { values: { logged: 51 } }), true);
  const independent = { ...filter, use_independent_randomness: true };
  assert.equal(isFor({ runtime_filter: independent }, low, { random: () => 0.9 }), false);
  assert.equal(isFor({ runtime_filter: filter }, id('none'), { random: () => 0.1 }), true);
});

test('filters are joined, and are for a kind of log', () => {
  const [yes, no] = [{ status_code_filter: compared('EQ', 201) }, { duration_filter: compared('GE', 1000) }];
  assert.equal(isFor({ and_filter: { filters: [yes, no] } }), false);
  assert.equal(isFor({ or_filter: { filters: [no, { and_filter: { filters: [yes, yes] } }] } }), true);
  const types = ['TcpConnectionEnd'];
  assert.equal(isFor({ log_type_filter: { types } }), false);
  assert.equal(isFor({ log_type_filter: { types, exclude: true } }), true);
  assert.equal(isFor({ log_type_filter: { types } }, undefined, { logType: 'TcpConnectionEnd' }), true);
});

test('what is not done is refused by name', () => {
  assert.match(refusal({ extension_filter: { name: 'cel' } }), /^extension_filter: not supported/);
  assert.match(refusal({ traceable_filter: {} }), /^traceable_filter: not supported/);
  assert.match(refusal({ response_flag_filter: { flags: ['XX'] } }), /flags\[0\]: XX is no response flag/);
  assert.match(
    refusal({ and_filter: { filters: [{ not_health_check_filter: {} }] } }),
    /and_filter\.filters: must have/,
  );
  assert.match(refusal({}), /needs a filter/);
});
