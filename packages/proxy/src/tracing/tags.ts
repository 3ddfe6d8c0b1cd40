/** Custom tags of spans (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/type/tracing/v3/custom_tag.proto). */
import { requestField } from '../access-log/operators.ts';
import { textOf } from '../http/field-text.ts';
import type { Route } from '../stack/route-table.ts';
import type { StreamInfo } from '../stack/stream-info.ts';
import type { CustomTagConfig } from './schema.ts';

export interface Tag {
  readonly name: string;
  /** '' where there is nothing to say, and no tag. */
  value(info: StreamInfo, route: Route | undefined): string;
}

function valueAt(metadata: unknown, path: readonly string[]): unknown {
  let value = metadata;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

function shown(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function metadataTag(name: string, config: NonNullable<CustomTagConfig['metadata']>): Tag {
  const { kind, metadata_key: key, default_value: otherwise } = config;
  const path = key.path.map((segment) => segment.key);
  if (kind.request) {
    return { name, value: ({ dynamicMetadata }) => shown(valueAt(dynamicMetadata?.get(key.key), path)) ?? otherwise };
  }
  const ofRoute = (route: Route | undefined): unknown =>
    (route?.metadata as { readonly filter_metadata?: Readonly<Record<string, unknown>> } | undefined)
      ?.filter_metadata?.[key.key];
  return { name, value: (_, route) => shown(valueAt(ofRoute(route), path)) ?? otherwise };
}

/** What a tag says, ready to be asked: the environment is read as the configuration is. */
export function compileTag(config: CustomTagConfig): Tag {
  const { tag: name, literal, environment, request_header: header, metadata, value } = config;
  if (metadata) return metadataTag(name, metadata);
  if (value) return { name, value };
  if (header) {
    const field = header.name.toLowerCase();
    const otherwise = header.default_value;
    return {
      name,
      value: ({ request }) => {
        const given = request && requestField(request, field);
        return given === undefined ? otherwise : textOf(given);
      },
    };
  }
  const fixed = literal?.value ?? process.env[environment?.name ?? ''] ?? environment?.default_value ?? '';
  return { name, value: () => fixed };
}

/** The tags of both lists; of those with one name the first list's. */
export function mergeTags(first: readonly Tag[], others: readonly Tag[]): readonly Tag[] {
  const names = new Set(first.map(({ name }) => name));
  return [...first, ...others.filter(({ name }) => !names.has(name))];
}
