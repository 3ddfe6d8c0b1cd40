/** What the admin interface answers, in the forms of Envoy's. */

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  /** A piece at a time where it can be long; pieces may be empty. */
  readonly body: string | Iterable<string>;
  /** Run once the answer was sent. */
  readonly after?: () => void;
}

/** The body at once. */
export function bodyOf({ body }: Answer): string {
  return typeof body === 'string' ? body : [...body].join('');
}

export function text(body: string, status = 200): Answer {
  return { status, contentType: 'text/plain; charset=UTF-8', body };
}

/** JSON as Envoy prints it: a space for each level. */
export function json(value: object): Answer {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(value, null, 1)}\n` };
}

/** The same for a list that can be long: what stands before it, its entries, and what stands behind it. */
export function jsonList(name: string, entries: Iterable<object>): Answer {
  return { status: 200, contentType: 'application/json', body: listText(name, entries) };
}

function* listText(name: string, entries: Iterable<object>): Generator<string, void> {
  let before = `{\n ${JSON.stringify(name)}: [\n  `;
  let isEmpty = true;
  for (const entry of entries) {
    yield before + JSON.stringify(entry, null, 1).replaceAll('\n', '\n  ');
    before = ',\n  ';
    isEmpty = false;
  }
  yield isEmpty ? `{\n ${JSON.stringify(name)}: []\n}\n` : '\n ]\n}\n';
}

export const OK: Answer = text('OK\n');
