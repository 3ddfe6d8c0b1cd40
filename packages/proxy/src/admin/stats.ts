/** `/stats` and `/stats/prometheus`. */
import { compileRegex } from '../config/regex.ts';
import type { StatsFilter, StatsForm, StatsRegistry, StatType } from '../stats/registry.ts';
import { type Answer, text } from './answer.ts';

const TYPES: Readonly<Record<string, StatType | 'all' | 'none'>> = {
  All: 'all',
  Counters: 'counter',
  Gauges: 'gauge',
  Histograms: 'histogram',
  TextReadouts: 'none',
};

/** Nothing is hidden here: `only` shows nothing, and the others all. */
const HIDDEN = ['include', 'only', 'exclude'];

/** Every histogram is shown as its quantiles, and to Prometheus as buckets; Envoy's other forms are refused. */
const QUANTILES = ['summary', 'none'];
const BUCKETS = ['cumulative'];

/** What is wrong with how a query wants things shown; undefined where nothing is. */
function misuse(query: URLSearchParams, format: string): string | undefined {
  const hidden = query.get('hidden') ?? 'exclude';
  if (!HIDDEN.includes(hidden)) return `usage: /stats?hidden=(${HIDDEN.join('|')})\n`;
  const forms = format === 'prometheus' ? BUCKETS : QUANTILES;
  const form = query.get('histogram_buckets') ?? forms[0];
  return form !== undefined && forms.includes(form)
    ? undefined
    : `usage: /stats?format=${format}&histogram_buckets=(${forms.join('|')})\n`;
}

/** The filter that a query asks for, or a sentence about what is wrong with it. */
function filterOf(query: URLSearchParams, format: string): StatsFilter | string {
  const wrong = misuse(query, format);
  if (wrong !== undefined) return wrong;
  const given = query.get('filter');
  const regex = given ? compileRegex(given, { isWhole: false }) : undefined;
  if (typeof regex === 'string') return `Invalid re2 regex: ${given} ${regex}`;
  const type = TYPES[query.get('type') ?? 'All'];
  if (type === undefined) return `usage: /stats?type=(${Object.keys(TYPES).join('|')})`;
  return {
    matching: regex && new RegExp(regex.source, regex.flags.replace('g', '')),
    usedOnly: query.has('usedonly'),
    types: query.get('hidden') === 'only' ? [] : type === 'all' ? undefined : type === 'none' ? [] : [type],
  };
}

const CONTENT_TYPES: { readonly [form in StatsForm]: string } = {
  text: 'text/plain; charset=UTF-8',
  prometheus: 'text/plain; charset=UTF-8',
  json: 'application/json',
};

function isForm(format: string): format is StatsForm {
  return Object.hasOwn(CONTENT_TYPES, format);
}

/** Answers in the form that `format` names; the regular expression matches anywhere in names as `/stats` has them. */
export function stats(registry: StatsRegistry, query: URLSearchParams, format: string): Answer {
  const filter = filterOf(query, format);
  if (typeof filter === 'string') return text(`${filter}\n`, 400);
  if (!isForm(format)) return text('usage: /stats?format=(json|prometheus|text)\n\n', 400);
  return { status: 200, contentType: CONTENT_TYPES[format], body: registry.write(format, filter) };
}
