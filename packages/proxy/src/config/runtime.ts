/** Schemas of runtime: values that can be changed while the proxy runs, and shares of requests that they decide. */
import { configSource } from './config-source.ts';
import {
  built,
  choice,
  flag,
  list,
  message,
  name,
  number,
  optional,
  type Parsed,
  type Place,
  required,
  struct,
  text,
  whole,
} from './schema.ts';

const MAX_UINT32 = 0xffff_ffff;

/** A share of all: `numerator` of each `denominator`. */
export interface Share {
  readonly numerator: number;
  readonly denominator: number;
}

/** A share that a value of the runtime can replace. */
export interface RuntimeShare extends Share {
  /** The name of the value; '' where there is none. */
  readonly key: string;
}

const DENOMINATORS = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 } as const;

/** `envoy.type.v3.FractionalPercent`. */
export const fractionalPercent = built(
  message('envoy.type.v3.FractionalPercent', {
    numerator: number(0, { max: MAX_UINT32 }),
    denominator: choice(['HUNDRED', 'TEN_THOUSAND', 'MILLION']),
  }),
  ({ numerator, denominator }): Share => ({ numerator, denominator: DENOMINATORS[denominator] ?? 100 }),
);

/** `envoy.config.core.v3.RuntimeFractionalPercent`. */
export const runtimeFraction = built(
  message('envoy.config.core.v3.RuntimeFractionalPercent', {
    default_value: required(fractionalPercent),
    runtime_key: text(),
  }),
  ({ default_value, runtime_key: key }): RuntimeShare => ({ ...default_value, key }),
);

/** What the runtime says of a thing that is on or off. */
export interface RuntimeFlag {
  readonly key: string;
  readonly isOn: boolean;
}

/** `envoy.config.core.v3.RuntimeFeatureFlag`. */
export const runtimeFlag = built(
  message('envoy.config.core.v3.RuntimeFeatureFlag', { default_value: required(flag()), runtime_key: name() }),
  ({ default_value: isOn, runtime_key: key }): RuntimeFlag => ({ key, isOn }),
);

const rtdsLayer = message('envoy.config.bootstrap.v3.RuntimeLayer.RtdsLayer', {
  name: name(),
  rtds_config: required(configSource),
});

export type RtdsLayerConfig = Parsed<typeof rtdsLayer>;

const runtimeLayer = message('envoy.config.bootstrap.v3.RuntimeLayer', {
  name: name(),
  static_layer: struct(),
  admin_layer: whole(),
  rtds_layer: optional(rtdsLayer),
});

export type RuntimeLayerConfig = Parsed<typeof runtimeLayer>;

/** What Envoy itself reads under these names decides nothing here; other names are those that a configuration gives. */
const NOT_READ = [
  'circuit_breakers.',
  'health_check.',
  'http_connection_manager.',
  'outlier_detection.',
  'ratelimit.',
  'router.',
  'tracing.',
];

function checkValue(value: unknown, key: string, place: Place): void {
  if (value === null || Array.isArray(value)) {
    place.within(key, () => place.refuse('is no value of the runtime: a number, a text, a bool or an object'));
  } else if (typeof value === 'object') {
    for (const [part, inner] of Object.entries(value)) checkValue(inner, `${key}.${part}`, place);
  } else if (NOT_READ.some((prefix) => key.startsWith(prefix))) {
    place.within(key, () => place.refuse('is a value of the runtime that the proxy does not read'));
  }
}

function checkValues(values: Readonly<Record<string, unknown>> | undefined, place: Place): void {
  for (const [key, value] of Object.entries(values ?? {})) checkValue(value, key, place);
}

function checkLayer(
  { static_layer: values, admin_layer: admin, rtds_layer: rtds, name: layer }: RuntimeLayerConfig,
  place: Place,
): void {
  if (values === undefined && admin === undefined && rtds === undefined)
    place.refuse(`the layer ${layer} needs a static_layer, an admin_layer or an rtds_layer`);
  place.within('static_layer', () => checkValues(values, place));
}

/** Values of a layer as a control plane has them. */
export const runtimeResource = message(
  'envoy.service.runtime.v3.Runtime',
  { name: name(), layer: struct() },
  ({ layer }, place) => place.within('layer', () => checkValues(layer, place)),
);

/**
 * `envoy.config.bootstrap.v3.LayeredRuntime`: later layers replace what earlier ones say. Layers of files (`disk_layer`)
 * are refused by name.
 */
export const layeredRuntime = message(
  'envoy.config.bootstrap.v3.LayeredRuntime',
  { layers: list(runtimeLayer) },
  ({ layers }, place) => {
    const names = new Set<string>();
    place.within('layers', () => {
      for (const [index, layer] of layers.entries()) {
        place.within(index, () => {
          if (names.has(layer.name)) place.refuse(`the name ${layer.name} is that of another layer`);
          checkLayer(layer, place);
        });
        names.add(layer.name);
      }
      if (layers.filter(({ admin_layer }) => admin_layer !== undefined).length > 1)
        place.refuse('has more than one admin_layer');
    });
  },
);

export type LayeredRuntimeConfig = Parsed<typeof layeredRuntime>;
