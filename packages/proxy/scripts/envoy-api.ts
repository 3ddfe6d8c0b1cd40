/**
 * Writes docs/envoy-api.md: each message of the Envoy API that the proxy reads, with every field, supported or refused,
 * as the schemas have it. A test holds the page against the schemas.
 *
 *   node packages/proxy/scripts/envoy-api.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { ENVOY_VERSION } from '@weft/envoy-api';
import { bootstrap } from '../src/config/bootstrap.ts';
import { cluster, clusterLoadAssignment } from '../src/config/cluster.ts';
import { listener } from '../src/config/listener.ts';
import { routeConfiguration } from '../src/config/route.ts';
import type { Description, MessageDescription } from '../src/config/schema.ts';
import { secret } from '../src/config/tls.ts';

export const PAGE = new URL('../../../docs/envoy-api.md', import.meta.url);

/** What is read for itself: everything else stands within. */
const ROOTS: readonly { readonly name: string; readonly description: Description; readonly what: string }[] = [
  { name: 'Bootstrap', description: bootstrap.description, what: '`weft proxy -c`' },
  { name: 'Listener', description: listener.description, what: 'the bootstrap, LDS' },
  { name: 'RouteConfiguration', description: routeConfiguration.description, what: 'listeners, RDS' },
  { name: 'Cluster', description: cluster.description, what: 'the bootstrap, CDS' },
  { name: 'ClusterLoadAssignment', description: clusterLoadAssignment.description, what: 'clusters, EDS' },
  { name: 'Secret', description: secret.description, what: 'the bootstrap, SDS' },
];

const HEAD = `# The Envoy API, as Weft's proxy honours it

<!-- Written by packages/proxy/scripts/envoy-api.ts from the schemas of packages/proxy; change those, then run it. -->

Weft's proxy reads the configuration that Envoy reads, from a bootstrap file and over xDS: aggregated or one stream a
type, state of the world or delta, and from files. The table below is written from the schemas that do the reading, against the
API of Envoy ${ENVOY_VERSION}.

- A field that is listed in a table is honoured. **Whatever else is set is refused by its name and path**: \`weft proxy\` does not start on
  such a bootstrap (\`--mode validate\` tells all of it at once), and an xDS server gets a NACK with the path and the reason. Fields of the API
  that are refused stand below each table; a message that is not on this page is refused wherever it is met.
- "only as …" is a field that may be given as what it is anyway.
- "required" must be given; "optional" may be absent, and nothing stands in for it; else the value is the default.
- Parts that are each supported may still not fit together; that, too, is told with its path.
- Weft's own control plane uses a part of this, told in [packages/xds-server/README.md](../packages/xds-server/README.md).
`;

type Tables = Readonly<Record<string, string>>;

function readTables(): Tables {
  const url = new URL('../../envoy-api/gen/tables.json', import.meta.url);
  return (JSON.parse(readFileSync(url, 'utf8')) as { readonly messages: Tables }).messages;
}

/** The names of all fields that the API has in a message. */
function apiFields(tables: Tables, name: string): readonly string[] {
  const table = tables[name] ?? '';
  return table === '' ? [] : table.split(';').map((field) => field.split(' ')[1] ?? '');
}

/** `envoy.config.core.v3.Address` has the anchor `envoyconfigcorev3address`. */
function linkTo(name: string): string {
  const short = /\.v\d+(?:alpha)?\.(.+)$/.exec(name)?.[1] ?? name;
  return `[${short}](#${name.toLowerCase().replaceAll('.', '')})`;
}

function listText(items: string, min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? `list of ${items}` : `list of ${items}, at least ${min}`;
  return min === max ? `list of ${min} ${items}` : `list of ${items}, ${min === 0 ? 'at most' : `${min} to`} ${max}`;
}

function typeText(description: Description): string {
  switch (description.type) {
    case 'value': {
      const { what, bounds } = description;
      const type = what.startsWith('envoy.') ? linkTo(what) : what.replace(/^only /, 'only as ');
      return bounds === undefined ? type : `${type}, ${bounds}`;
    }
    case 'list':
      return listText(typeText(description.items), description.min, description.max);
    case 'map':
      return `map of string to ${typeText(description.values)}`;
    case 'one-of':
      return description.choices.map((choice) => `\`${choice}\``).join(', ');
    case 'any':
      return `one of ${description.messages.map(typeText).join(', ')}`;
    case 'message':
      return linkTo(description.name);
  }
}

function absentText(description: Description): string {
  if (description.presence !== undefined) return description.presence;
  switch (description.type) {
    case 'value':
      if (description.defaultValue !== undefined) return `\`${description.defaultValue}\``;
      return description.bounds === 'not empty' ? 'required' : '';
    case 'one-of':
      return `\`${description.choices[0]}\``;
    case 'list':
      return description.min > 0 ? 'required' : 'empty';
    case 'map':
      return 'empty';
    case 'any':
      return 'required';
    case 'message':
      return 'its defaults';
  }
}

function rowsOf(message: MessageDescription): string {
  const rows = Object.entries(message.fields()).map(
    ([field, description]) => `| \`${field}\` | ${typeText(description)} | ${absentText(description)} |`,
  );
  return rows.join('\n');
}

/** One way in which a message is read; where it is met decides which. */
interface Reading {
  readonly message: MessageDescription;
  readonly rows: string;
  /** `Route.match`: where it is met. */
  readonly places: Set<string>;
}

class Collector {
  readonly readings = new Map<string, Reading[]>();
  readonly #seen = new Map<MessageDescription['fields'], Reading>();

  add(description: Description, place: string): void {
    switch (description.type) {
      case 'list':
        this.add(description.items, place);
        return;
      case 'map':
        this.add(description.values, place);
        return;
      case 'any':
        for (const message of description.messages) this.add(message, place);
        return;
      case 'message':
        this.#message(description, place);
    }
  }

  #message(message: MessageDescription, place: string): void {
    const seen = this.#seen.get(message.fields);
    if (seen) {
      seen.places.add(place);
      return;
    }
    const rows = rowsOf(message);
    const readings = this.readings.get(message.name) ?? [];
    this.readings.set(message.name, readings);
    const known = readings.find((reading) => reading.rows === rows);
    const reading = known ?? { message, rows, places: new Set<string>() };
    if (!known) readings.push(reading);
    reading.places.add(place);
    this.#seen.set(message.fields, reading);
    const short = /\.v\d+(?:alpha)?\.(.+)$/.exec(message.name)?.[1] ?? message.name;
    for (const [field, description] of Object.entries(message.fields())) this.add(description, `${short}.${field}`);
  }
}

function refusedText(tables: Tables, { message }: Reading): string {
  const supported = new Set(Object.keys(message.fields()));
  const refused = apiFields(tables, message.name).filter((field) => !supported.has(field));
  return refused.length === 0 ? '' : `Refused: ${refused.map((field) => `\`${field}\``).join(', ')}.\n`;
}

function readingText(tables: Tables, reading: Reading): string {
  const table =
    reading.rows === '' ? 'No field is supported: its presence is what it says.\n' : `${TABLE_HEAD}\n${reading.rows}\n`;
  return [table, refusedText(tables, reading)].filter((part) => part !== '').join('\n');
}

const TABLE_HEAD = '| field | type | if absent |\n| --- | --- | --- |';

function section(tables: Tables, name: string, readings: readonly Reading[]): string {
  const parts = readings.map((reading) => {
    const places = [...reading.places].sort().map((place) => `\`${place}\``);
    const where = readings.length === 1 || places.length === 0 ? '' : `In ${places.join(', ')}:\n\n`;
    return where + readingText(tables, reading);
  });
  return `### ${name}\n\n${parts.join('\n')}`;
}

/** The page as the code has it now. */
export function envoyApiPage(): string {
  const tables = readTables();
  const collector = new Collector();
  for (const { name, description } of ROOTS) collector.add(description, name);
  const names = [...collector.readings.keys()].sort();
  const unknown = names.filter((name) => tables[name] === undefined);
  if (unknown.length > 0) throw new Error(`the API has no messages of these names: ${unknown.join(', ')}`);
  const starts = ROOTS.map(({ description, what }) => `| ${typeText(description)} | ${what} |`);
  const sections = names.map((name) => section(tables, name, collector.readings.get(name) ?? []));
  return [
    `${HEAD}\n| to begin with | from |\n| --- | --- |\n${starts.join('\n')}\n`,
    `## Messages\n`,
    ...sections,
  ].join('\n');
}

if (import.meta.main) writeFileSync(PAGE, envoyApiPage());
