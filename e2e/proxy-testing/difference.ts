/** What two data planes made of the same, brought into a form that can be compared. */
import type { Received } from './raw-client.ts';
import type { WireMessage } from './wire.ts';

/** Values that differ from one run to the next, on one data plane alone. */
const MOVING = new Set(['date', 'x-request-id', 'x-envoy-upstream-service-time']);

const MOVING_LINE = /^((?:date|x-request-id|x-envoy-upstream-service-time): ).*$/gm;

/** What is left of the time for a request: a little less with each attempt. */
const ABOUT = 'x-envoy-expected-rq-timeout-ms';

function shownValue(name: string, value: string, ports: ReadonlyMap<string, string>): string {
  if (MOVING.has(name)) return '*';
  if (name === ABOUT) return `about ${Math.round(Number(value) / 1000)} s`;
  let shown = name === 'connection' ? value.toLowerCase() : value;
  for (const [port, text] of ports) shown = shown.replaceAll(port, text);
  return shown;
}

/** Several fields of one name say what one with commas says (RFC 9110, 5.3); of cookies alone they do not. */
function combined(headers: WireMessage['headers']): WireMessage['headers'] {
  const fields: [string, string][] = [];
  for (const [name, value] of headers) {
    const known = name === 'set-cookie' ? undefined : fields.find(([other]) => other === name);
    if (known) known[1] += `,${value}`;
    else fields.push([name, value]);
  }
  return fields;
}

function headersOf(message: WireMessage, ports: ReadonlyMap<string, string>): readonly string[] {
  const named = combined(message.headers).map(([name, value]) => `${name}: ${shownValue(name, value, ports)}`);
  // The order among headers of one name has a meaning, that among names has none.
  return named
    .map((text, index) => ({ text, index, name: text.slice(0, text.indexOf(':')) }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.index - b.index))
    .map(({ text }) => text);
}

export interface Shown {
  readonly start: string;
  readonly headers: readonly string[];
  readonly framing: string;
  readonly body: string;
  readonly trailers: readonly string[];
}

/** The lines in which two values differ, ours with a plus, theirs with a minus; '' where they are the same. */
export function differenceText(ours: unknown, theirs: unknown): string {
  const lines = (value: unknown) => JSON.stringify(value, undefined, 1).split('\n');
  const [a, b] = [lines(ours), lines(theirs)];
  if (a.join('\n') === b.join('\n')) return '';
  const without = (list: readonly string[], other: readonly string[], sign: string) => {
    const left = [...other];
    return list.flatMap((line) => {
      const at = left.indexOf(line);
      if (at >= 0) left.splice(at, 1);
      return at >= 0 ? [] : [`${sign} ${line.trim()}`];
    });
  };
  const text = [...without(a, b, '+'), ...without(b, a, '-')].join('\n');
  return text === '' ? 'the same lines in another order' : text;
}

/** `ports`: what differs between the two by where they listen, and what to write in its place. */
export function showMessage(given: WireMessage, ports: ReadonlyMap<string, string> = new Map()): Shown {
  return {
    start: given.start,
    headers: headersOf(given, ports),
    framing: given.framing,
    body: given.body,
    trailers: given.trailers.map(([name, value]) => `${name}: ${value}`),
  };
}

export interface ShownReceived {
  readonly answers: readonly Shown[];
  readonly rest: string;
  readonly end: 'open' | 'ended';
}

export function showReceived(received: Received, ports: ReadonlyMap<string, string> = new Map()): ShownReceived {
  return {
    answers: received.answers.map((message) => showMessage(message, ports)),
    rest: received.rest.replaceAll(MOVING_LINE, '$1*'),
    // Whether what was sent after the last answer arrives before the end or after it is chance.
    end: received.end === 'open' ? 'open' : 'ended',
  };
}
