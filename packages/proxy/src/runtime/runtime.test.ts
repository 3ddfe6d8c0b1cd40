import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyOf } from '../admin/answer.ts';
import { runtimeModify, runtime as shownRuntime } from '../admin/runtime.ts';
import { layeredRuntime, type RuntimeShare, runtimeFraction } from '../config/runtime.ts';
import { Place } from '../config/schema.ts';
import { Runtime } from './runtime.ts';

function parsed(given: object): {
  readonly config: ReturnType<typeof layeredRuntime.parse>;
  readonly issues: string[];
} {
  const place = new Place();
  const config = layeredRuntime.parse(given, place);
  return { config, issues: place.issues.map(({ path, message }) => `${path}: ${message}`) };
}

function runtime(layers: readonly object[], random = () => 0): Runtime {
  const { config, issues } = parsed({ layers });
  assert.deepEqual(issues, []);
  return new Runtime(config, random);
}

const base = (static_layer: object): object => ({ name: 'base', static_layer });
const share = (key: string, numerator: number, denominator = 100): RuntimeShare => ({ key, numerator, denominator });

test('later layers replace what earlier ones say, and nested values have names with dots', () => {
  const values = runtime([base({ a: 1, n: { x: 5 } }), { name: 'over', static_layer: { a: 7 } }]);
  assert.equal(values.integer('a', 0), 7);
  assert.equal(values.integer('n.x', 0), 5);
  assert.equal(values.integer('n', 9), 9);
});

test('a share is decided by a random number, and is not asked for one where all or nothing is meant', () => {
  let asked = 0;
  const at = (random: number): Runtime =>
    runtime([base({})], () => {
      asked++;
      return random;
    });
  assert.equal(at(0.499).isEnabled(share('', 50)), true);
  assert.equal(at(0.5).isEnabled(share('', 50)), false);
  assert.equal(at(0.00001).isEnabled(share('', 10, 1_000_000)), false);
  assert.equal(asked, 3);
  assert.equal(at(0.99).isEnabled(share('', 100)), true);
  assert.equal(at(0).isEnabled(share('', 0)), false);
  assert.equal(asked, 3);
});

test('a value of the runtime replaces a share: a share, or a number of percent', () => {
  const layer = base({
    off: 0,
    on: 100,
    many: 250,
    frac: { numerator: 1, denominator: 'MILLION' },
    text: 'x',
    half: 50.5,
  });
  const values = runtime([layer], () => 0.2);
  assert.equal(values.isEnabled(share('off', 100)), false);
  assert.equal(values.isEnabled(share('on', 0)), true);
  assert.equal(values.isEnabled(share('many', 0)), true);
  assert.equal(values.isEnabled(share('frac', 100)), false);
  for (const key of ['text', 'half', 'none']) {
    assert.equal(values.isEnabled(share(key, 100)), true, key);
    assert.equal(values.isEnabled(share(key, 0)), false, key);
  }
});

test('texts are what they read as', () => {
  const values = runtime([base({ number: '42', point: '5.5', yes: 'true', no: 'FALSE', zero: 0, word: 'yes' })]);
  const isOn = (key: string): readonly boolean[] =>
    [true, false].map((otherwise) => values.isOn({ key, isOn: otherwise }));
  assert.equal(values.integer('number', 0), 42);
  assert.equal(values.integer('point', 3), 3);
  assert.deepEqual(isOn('yes'), [true, true]);
  assert.deepEqual(isOn('no'), [false, false]);
  assert.deepEqual(isOn('zero'), [false, false]);
  assert.deepEqual(isOn('word'), [true, false]);
});

test('the admin interface changes values, takes changes back, and shows what each layer says', () => {
  const values = runtime([base({ a: 1 }), { name: 'admin', admin_layer: {} }]);
  const actions = { overrideRuntime: values.override.bind(values) };
  assert.equal(runtimeModify(actions, new URLSearchParams('a=5&f=%7B"numerator":10%7D')).body, 'OK\n');
  assert.equal(values.integer('a', 0), 5);
  assert.equal(values.isEnabled(share('f', 0)), true);
  assert.deepEqual(JSON.parse(bodyOf(shownRuntime(values))), {
    layers: ['base', 'admin'],
    entries: {
      a: { final_value: '5', layer_values: ['1', '5'] },
      f: { final_value: '{"numerator":10}', layer_values: ['', '{"numerator":10}'] },
    },
  });
  assert.deepEqual([values.stats.admin_overrides_active, values.stats.num_keys, values.stats.num_layers], [1, 2, 2]);
  runtimeModify(actions, new URLSearchParams('a=&f='));
  assert.equal(values.integer('a', 0), 1);
  assert.equal(values.stats.admin_overrides_active, 0);
});

test('without a layer for it nothing can be changed, and a change of nothing is a mistake', () => {
  const values = runtime([base({ a: 1 })]);
  const actions = { overrideRuntime: values.override.bind(values) };
  assert.equal(runtimeModify(actions, new URLSearchParams('a=5')).status, 503);
  assert.equal(runtimeModify(actions, new URLSearchParams('')).status, 400);
  assert.equal(values.integer('a', 0), 1);
});

test('layers that cannot be, and values that nothing reads, are refused with their path', () => {
  const layers = [
    base({ list: [1], 'tracing.global_enabled': 0, outlier_detection: { interval_ms: 5 } }),
    { name: 'base', admin_layer: {} },
    { name: 'files', disk_layer: { symlink_root: '/srv' } },
    { name: 'more', admin_layer: {} },
  ];
  assert.deepEqual(parsed({ layers }).issues, ["layers[2].disk_layer: not supported by Weft's proxy"]);
  const { issues } = parsed({ layers: layers.filter((_, index) => index !== 2) });
  assert.deepEqual(issues, [
    'layers[0].static_layer.list: is no value of the runtime: a number, a text, a bool or an object',
    'layers[0].static_layer.tracing.global_enabled: is a value of the runtime that the proxy does not read',
    'layers[0].static_layer.outlier_detection.interval_ms: is a value of the runtime that the proxy does not read',
    'layers[1]: the name base is that of another layer',
    'layers: has more than one admin_layer',
  ]);
});

test('a share needs its default', () => {
  const place = new Place();
  runtimeFraction.parse({ runtime_key: 'k' }, place);
  assert.deepEqual(place.issues, [{ path: 'default_value', message: 'is needed here' }]);
});

test('what a control plane says of a layer stands in place of what it said before, under later layers', () => {
  const rtds_layer = { name: 'r', rtds_config: { ads: {} } };
  const values = runtime([base({ a: 1, b: 1 }), { name: 'told', rtds_layer }, { name: 'admin', admin_layer: {} }]);
  values.setLayer('told', { a: 2, n: { b: 3 } });
  assert.deepEqual([values.integer('a', 0), values.integer('n.b', 0)], [2, 3]);
  values.override([['a', '4']]);
  values.setLayer('told', { b: 5 });
  assert.deepEqual([values.integer('a', 0), values.integer('b', 0), values.integer('n.b', 0)], [4, 5, 0]);
});
