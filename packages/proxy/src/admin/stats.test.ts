import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatsRegistry } from '../stats/registry.ts';
import { bodyOf } from './answer.ts';
import { stats } from './stats.ts';

class Some {
  counted = 3;
}

const registry = new StatsRegistry();
registry.share('some.', 'some_', {}, () => new Some());

const answer = (query: string, format = 'text') => {
  const given = stats(registry, new URLSearchParams(query), format);
  return { status: given.status, body: bodyOf(given) };
};

test('nothing is hidden, and asking for what is gives nothing', () => {
  for (const query of ['', 'hidden=include', 'hidden=exclude']) assert.equal(answer(query).body, 'some.counted: 3\n');
  assert.equal(answer('hidden=only').body.trim(), '');
});

test('forms of histograms that there are not are refused, and those there are named', () => {
  for (const [query, format, named] of [
    ['hidden=nonsense', 'text', '(include|only|exclude)'],
    ['histogram_buckets=detailed', 'json', '(summary|none)'],
    ['histogram_buckets=cumulative', 'text', '(summary|none)'],
    ['histogram_buckets=summary', 'prometheus', '(cumulative)'],
  ] as const) {
    const { status, body } = answer(query, format);
    assert.equal(status, 400);
    assert.ok(body.includes(named), body);
  }
  assert.equal(answer('histogram_buckets=cumulative', 'prometheus').status, 200);
  assert.equal(answer('histogram_buckets=summary', 'json').status, 200);
});
