/**
 * Writes docs/reference/resources.md: every kind of resource with every field, its type, default and limits as the
 * schemas have them, and what it does as `fields.ts` says. A test holds the page against the schemas.
 *
 *   node packages/policies/scripts/reference.ts
 */
import { writeFileSync } from 'node:fs';
import type { Kind, KindSchemas, schema } from '@weft/model';
import { KIND_SCHEMAS } from '../src/kinds.ts';
import { FIELDS, INTRODUCTIONS, METADATA } from './fields.ts';

export const PAGE = new URL('../../../docs/reference/resources.md', import.meta.url);

interface Row {
  readonly path: string;
  readonly type: string;
  readonly presence: string;
}

const HEAD = `# Resources

<!-- Written by packages/policies/scripts/reference.ts; change the schemas or scripts/fields.ts there, then run it. -->

What \`weft apply\` takes: YAML or JSON, one resource a document. A field that is not listed is refused by name, so is one that
Weft does not support yet. \`[]\` stands for each item of a list, \`<key>\` for a key of the author's choice.

Every resource has \`apiVersion\` and \`kind\`, and \`metadata\`:

`;

function refusedNote(names: readonly string[]): string {
  return names.length === 0 ? '' : `\nKnown and refused: ${names.map((name) => `\`${name}\``).join(', ')}.\n`;
}

function presenceOf({ presence, fallback }: schema.FieldOutline): string {
  if (presence !== 'defaulted') return presence;
  const text = JSON.stringify(fallback);
  return text === '{}' || text === '[]' ? 'none' : `\`${text.replaceAll('|', '\\|')}\``;
}

function typeOf(outline: schema.Outline): string {
  switch (outline.type) {
    case 'value':
      return [
        outline.expects,
        outline.limit && /^a text|^a regular|^the (name|value)/.test(outline.expects) && outline.limit,
      ]
        .filter(Boolean)
        .join(', ');
    case 'list':
      if (outline.min === outline.max) return `a list of ${outline.min}`;
      return outline.min === 0 ? `a list of at most ${outline.max}` : `a list of ${outline.min} to ${outline.max}`;
    case 'dictionary':
      return `an object of at most ${outline.max} entries`;
    case 'object':
      return 'an object';
    case 'variant':
      return `an object, by its \`${outline.key}\``;
    case 'refused':
      return 'refused';
  }
}

class Collector {
  readonly rows: Row[] = [];
  readonly refused: string[] = [];

  field(path: string, field: schema.FieldOutline, required = 'required'): void {
    if (field.outline.type === 'refused') {
      this.refused.push(path);
      return;
    }
    const { outline } = field;
    const isPlainList = outline.type === 'list' && outline.item.type === 'value';
    const type = isPlainList ? `${typeOf(outline)}, each ${typeOf(outline.item)}` : typeOf(outline);
    this.add({ path, type, presence: field.presence === 'required' ? required : presenceOf(field) });
    if (!isPlainList) this.inside(path, outline);
  }

  add(row: Row): void {
    const rival = this.rows.findIndex(({ path }) => path === row.path);
    if (rival < 0) this.rows.push(row);
    else if (this.rows[rival]?.type !== row.type) {
      const types = `${this.rows[rival]?.type}; or ${row.type}`;
      const presences = [this.rows[rival]?.presence ?? row.presence, row.presence];
      this.rows[rival] = { ...row, type: types, presence: presences.find((one) => one !== 'required') ?? 'required' };
    }
  }

  inside(path: string, outline: schema.Outline): void {
    if (outline.type === 'list') this.inside(`${path}[]`, outline.item);
    else if (outline.type === 'dictionary')
      this.add({ path: `${path}.<key>`, type: typeOf(outline.item), presence: 'optional' });
    else if (outline.type === 'object') {
      for (const [name, field] of Object.entries(outline.fields))
        this.field(path === '' ? name : `${path}.${name}`, field);
    } else if (outline.type === 'variant') this.variants(path, outline);
  }

  variants(path: string, { key, variants }: Extract<schema.Outline, { type: 'variant' }>): void {
    const all = Object.values(variants).filter(({ type }) => type === 'object');
    for (const [name, variant] of Object.entries(variants)) {
      if (variant.type === 'refused') this.refused.push(`${path} of ${key} ${name}`);
      if (variant.type !== 'object') continue;
      for (const [field, one] of Object.entries(variant.fields)) {
        const isShared = all.every((other) => other.type === 'object' && Object.hasOwn(other.fields, field));
        this.field(`${path}.${field}`, one, isShared ? 'required' : `required for ${name}`);
      }
    }
  }
}

function table(rows: readonly Row[], words: Readonly<Record<string, string>>, place: string): string {
  const unknown = Object.keys(words).filter((path) => !rows.some((row) => row.path === path));
  const wordless = rows.filter(({ path }) => words[path] === undefined).map(({ path }) => path);
  if (unknown.length > 0) throw new Error(`fields.ts describes fields that ${place} has not: ${unknown.join(', ')}`);
  if (wordless.length > 0) throw new Error(`fields.ts lacks fields of ${place}: ${wordless.join(', ')}`);
  const lines = rows.map(
    ({ path, type, presence }) => `| \`${path}\` | ${words[path]} | ${type.replaceAll('|', '\\|')} | ${presence} |`,
  );
  return ['| field | what it does | type and limits | if absent |', '| --- | --- | --- | --- |', ...lines, ''].join(
    '\n',
  );
}

function kindSection(kind: Kind, kinds: KindSchemas): string {
  const { apiVersion, spec } = kinds[kind];
  const found = new Collector();
  found.inside('spec', spec.outline);
  const body = table(found.rows, FIELDS[kind], kind);
  return `## ${kind}\n\n\`apiVersion: ${apiVersion}\`\n\n${INTRODUCTIONS[kind]}\n\n${body}${refusedNote(found.refused)}`;
}

/** The page as the code has it now. */
export function resourcesPage(): string {
  const kinds = (Object.keys(KIND_SCHEMAS) as Kind[]).map((kind) => kindSection(kind, KIND_SCHEMAS));
  return [HEAD + METADATA, ...kinds].join('\n');
}

if (import.meta.main) writeFileSync(PAGE, resourcesPage());
