import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArguments, settled } from './arguments.ts';

const KNOWN = ['http1', 'tcp'];

test('everything has a default', () => {
  assert.deepEqual(parseArguments([], KNOWN), {
    cases: KNOWN,
    rounds: 5,
    warmupMs: 5000,
    windowMs: 2000,
    json: false,
  });
});

test('cases, rounds and times are taken', () => {
  const argv = ['--case', 'tcp', '--rounds', '3', '--json', '--seconds', '0.5', '--warmup=0'];
  assert.deepEqual(parseArguments(argv, KNOWN), { cases: ['tcp'], rounds: 3, warmupMs: 0, windowMs: 500, json: true });
});

test('what is no comparison runs only where it is named', () => {
  const named = parseArguments(['--case', 'bound'], KNOWN, ['bound']);
  assert.ok(typeof named === 'object');
  assert.deepEqual(named.cases, ['bound']);
  const all = parseArguments([], KNOWN, ['bound']);
  assert.ok(typeof all === 'object');
  assert.deepEqual(all.cases, KNOWN);
});

test('what is wrong is told, with how it is used', () => {
  const wrong: readonly (readonly [string[], RegExp])[] = [
    [['--case', 'smtp'], /there is no case smtp\nusage: .*\n.*one of http1, tcp/],
    [['--rounds', '0'], /--rounds 0 is no number/],
    [['--rounds', '1.5'], /--rounds 1.5 is no number/],
    [['--seconds', '0'], /--seconds 0 is no time/],
    [['--warmup', 'x'], /--warmup x is no time/],
    [['--fast'], /Unknown option '--fast'/],
  ];
  for (const [argv, expected] of wrong) assert.match(String(parseArguments(argv, KNOWN)), expected);
});

test('a process that was warmed up is not warmed up as long again', () => {
  const settings = { rounds: 1, windowMs: 10, warmupMs: 5000 };
  assert.deepEqual(settled(settings), { ...settings, warmupMs: 1000 });
  assert.deepEqual(settled({ ...settings, warmupMs: 100 }), { ...settings, warmupMs: 100 });
});
