/** `/stats` and `/stats/prometheus`. */
import { compileRegex } from '../config/regex.ts';
import type { StatsFilter, StatsRegistry, StatType } from '../stats/registry.ts';
import { type Answer, text } from './answer.ts';

const TYPES: Readonly<Record<string, StatType | 'all' | 'none'>> = {
  All: 'all',
  Counters: 'counter',
  Gauges: 'gauge',
  Histograms: 'histogram',
  TextReadouts: 'none',
};

/** The filter that a query asks for, or a sentence about what is wrong with it. */
function filterOf(query: URLSearchParams): StatsFilter | string {
  const given = query.get('filter');
  const regex = given ? compileRegex(given, { isWhole: false }) : undefined;
  if (typeof regex === 'string') return `Invalid re2 regex: ${given} ${regex}`;
  const type = TYPES[query.get('type') ?? 'All'];
  if (type === undefined) return `usage: /stats?type=(${Object.keys(TYPES).join('|')})`;
  return {
    matching: regex && new RegExp(regex.source, regex.flags.replace('g', '')),
    usedOnly: query.has('usedonly'),
    types: type === 'all' ? undefined : type === 'none' ? [] : [type],
  };
}

/** Answers in the form that `format` names; the regular expression matches anywhere in names as `/stats` has them. */
export function stats(registry: StatsRegistry, query: URLSearchParams, format: string): Answer {
  const filter = filterOf(query);
  if (typeof filter === 'string') return text(`${filter}\n`, 400);
  switch (format) {
    case 'text':
      return text(registry.text(filter));
    case 'prometheus':
      return text(registry.prometheus(filter));
    case 'json':
      return { status: 200, contentType: 'application/json', body: JSON.stringify(registry.json(filter)) };
    default:
      return text('usage: /stats?format=(json|prometheus|text)\n\n', 400);
  }
}
