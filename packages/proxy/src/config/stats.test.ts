import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Place } from './schema.ts';
import { statsConfig } from './stats.ts';

function read(given: object): {
  readonly value: ReturnType<typeof statsConfig.parse>;
  readonly issues: readonly string[];
} {
  const place = new Place();
  const value = statsConfig.parse(given, place);
  return { value, issues: place.issues.map(({ path, message }) => `${path}: ${message}`) };
}

test('tags and the names of statistics that are told are read', () => {
  const { value, issues } = read({
    use_all_default_tags: true,
    stats_tags: [
      { tag_name: 'a', regex: '((x)\\.)(?=y)' },
      { tag_name: 'b', fixed_value: '' },
    ],
    stats_matcher: { inclusion_list: { patterns: [{ prefix: 'http.' }, { safe_regex: { regex: '.*_total' } }] } },
  });
  assert.deepEqual(issues, []);
  assert.deepEqual(value.stats_tags, [
    { type: 'found', label: 'a', find: /((x)\.)(?=y)/d },
    { type: 'fixed', label: 'b', value: '' },
  ]);
  const told = ['http.a', 'cluster.c.cx_total', 'cluster.c.cx'].map((name) => value.stats_matcher?.(name));
  assert.deepEqual(told, [true, true, false]);
});

test('nothing may be told, or all but some', () => {
  assert.equal(read({ stats_matcher: { reject_all: true } }).value.stats_matcher?.('a'), false);
  const { value } = read({ stats_matcher: { exclusion_list: { patterns: [{ exact: 'a' }] } } });
  assert.deepEqual([value.stats_matcher?.('a'), value.stats_matcher?.('b')], [false, true]);
});

test('what cannot be honoured is refused by its path', () => {
  const { issues } = read({
    use_all_default_tags: false,
    histogram_bucket_settings: [],
    stats_tags: [
      { tag_name: 'a' },
      { tag_name: 'a', regex: '(' },
      { tag_name: 'a', regex: '.'.repeat(1025) },
      { tag_name: 'envoy.cluster_name', regex: '(a)' },
    ],
  });
  assert.deepEqual(
    issues.map((issue) => issue.split(': ')[0]),
    [
      'histogram_bucket_settings',
      'stats_tags[0]',
      'stats_tags[1].regex',
      'stats_tags[2].regex',
      'stats_tags[3]',
      'use_all_default_tags',
    ],
  );
});
