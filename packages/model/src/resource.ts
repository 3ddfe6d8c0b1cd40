/** Resources: what users write, parsed. */

import { keyText } from './key.ts';
import type { Kind, Specs } from './kinds.ts';
import {
  defaulted,
  dictionary,
  INVALID,
  isObject,
  type ObjectOf,
  object,
  optional,
  picture,
  type Report,
  type Schema,
  suggest,
  text,
} from './schema/index.ts';

/** A resource as its author wrote it, parsed: one document. */
export interface DocumentOf<K extends Kind> {
  readonly kind: K;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: Specs[K];
}
export type ResourceDocument = { [K in Kind]: DocumentOf<K> }[Kind];

/** A resource that stands in the mesh. */
export interface ResourceOf<K extends Kind> extends DocumentOf<K> {
  /** The revision that last changed it. */
  readonly revision: number;
  /** The revision since which it is there: its age, where the older of two counts. */
  readonly createdRevision: number;
}
export type Resource = { [K in Kind]: ResourceOf<K> }[Kind];

/** How one kind is written. */
export interface KindSchema<K extends Kind> {
  readonly apiVersion: string;
  readonly spec: Schema<Specs[K]>;
}
/** Every kind with how it is written. */
export type KindSchemas = { readonly [K in Kind]: KindSchema<K> };

/** One thing wrong with a document. */
export interface DocumentViolation {
  /** `spec.rules[0].backendRefs[1].weight`; empty for the document as a whole. */
  readonly path: string;
  readonly message: string;
}

export type ParsedDocument =
  | { readonly type: 'resource'; readonly resource: ResourceDocument }
  | {
      readonly type: 'invalid';
      /** Which resource it is, as far as that can be read. */
      readonly key: { readonly kind: string; readonly namespace: string; readonly name: string };
      readonly violations: readonly DocumentViolation[];
    };

const label = { pattern: /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/ } as const;
/** The name of a service, namespace or resource: a DNS label (RFC 1123). */
export const nameSchema: Schema<string> = text({
  ...label,
  expects: 'a name of at most 63 lower-case letters, digits and dashes that begins and ends with a letter or digit',
});

/** The value of a label, as Kubernetes has it; may be empty. */
export const labelValueSchema: Schema<string> = text({
  minLength: 0,
  maxLength: 63,
  pattern: /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?$/,
  expects: 'a label value: at most 63 letters, digits, ".", "-" and "_" that begins and ends with a letter or digit',
});
/** The key of a label, as Kubernetes has it: `version`, `example.com/version`. */
export const labelKeySchema: Schema<string> = text({
  maxLength: 317,
  pattern: /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
  expects: 'the key of a label, such as "version" or "example.com/version"',
});

/** Labels by key. */
export const labelsSchema: Schema<Readonly<Record<string, string>>> = dictionary(labelKeySchema, labelValueSchema);

const metadata = object({
  name: nameSchema,
  namespace: defaulted(nameSchema, 'default'),
  labels: defaulted(labelsSchema, {}),
  // Kept with what the author wrote, and of no meaning to the mesh.
  annotations: optional(dictionary(text({ maxLength: 317 }), text({ minLength: 0, maxLength: 262_144 }))),
});

type Envelope = ObjectOf<{ metadata: typeof metadata; spec: Schema<Specs[Kind]> }>;

function envelope(kinds: KindSchemas, kind: Kind): Schema<Envelope> {
  const { apiVersion, spec } = kinds[kind];
  const version = text({ pattern: new RegExp(`^${apiVersion.replaceAll('.', '\\.')}$`), expects: `"${apiVersion}"` });
  const name = text();
  return object({ apiVersion: version, kind: name, metadata, spec: spec as Schema<Specs[Kind]> });
}

function isKind(kinds: KindSchemas, kind: unknown): kind is Kind {
  return typeof kind === 'string' && Object.hasOwn(kinds, kind);
}

function reportKind(found: unknown, kinds: KindSchemas, report: Report): void {
  const known = Object.keys(kinds);
  const meant = typeof found === 'string' ? suggest(found, known) : undefined;
  const hint = meant === undefined ? `expected ${known.join(', ')}` : `did you mean ${meant}?`;
  report(
    'kind',
    found === undefined ? `is missing: ${hint}` : `found ${picture(found)}, which is no kind of resource: ${hint}`,
  );
}

function textAt(value: unknown, ...path: readonly string[]): string {
  let here = value;
  for (const key of path) here = isObject(here) && Object.hasOwn(here, key) ? here[key] : undefined;
  return typeof here === 'string' ? here : '';
}

/**
 * Reads one document: the resource, or everything that is wrong with it. `value` is what a JSON or YAML text holds.
 */
export function parseDocument(kinds: KindSchemas, value: unknown): ParsedDocument {
  const violations: DocumentViolation[] = [];
  const report: Report = (path, message) => violations.push({ path, message });
  const kind = isObject(value) && Object.hasOwn(value, 'kind') ? value.kind : undefined;
  if (!isObject(value))
    report('', `found ${picture(value)}, expected an object with apiVersion, kind, metadata and spec`);
  else if (!isKind(kinds, kind)) reportKind(kind, kinds, report);
  else {
    const read = envelope(kinds, kind).read(value, '', report);
    if (read !== INVALID) {
      const { name, namespace, labels } = read.metadata;
      const resource = Object.freeze({ kind, namespace, name, labels, spec: read.spec }) as ResourceDocument;
      return { type: 'resource', resource };
    }
  }
  const key = {
    kind: textAt(value, 'kind'),
    namespace: textAt(value, 'metadata', 'namespace') || 'default',
    name: textAt(value, 'metadata', 'name'),
  };
  return { type: 'invalid', key, violations };
}

/** {@link parseDocument} of JSON text. */
export function parseJsonDocument(kinds: KindSchemas, json: string): ParsedDocument {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    const violation = { path: '', message: `is not JSON: ${thrown.message}` };
    return { type: 'invalid', key: { kind: '', namespace: '', name: '' }, violations: [violation] };
  }
  return parseDocument(kinds, value);
}

/** All violations in one sentence, for where there is room for one text. */
export function violationsText(
  key: { kind: string; namespace: string; name: string },
  list: readonly DocumentViolation[],
): string {
  const each = list.map(({ path, message }) => (path === '' ? message : `${path} ${message}`));
  return `${keyText(key)} cannot be read: ${each.join('; ')}`;
}
