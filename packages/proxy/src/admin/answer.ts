/** What the admin interface answers, in the forms of Envoy's. */

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** Run once the answer was sent. */
  readonly after?: () => void;
}

export function text(body: string, status = 200): Answer {
  return { status, contentType: 'text/plain; charset=UTF-8', body };
}

/** JSON as Envoy prints it: a space for each level. */
export function json(value: object): Answer {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(value, null, 1)}\n` };
}

export const OK: Answer = text('OK\n');
