/** One thing wrong with a value, and where. */
export interface Violation {
  /** In the field names that the value uses: `filter_chains[0].filters[1].typed_config`, keys of maps as `["key"]`. */
  readonly path: string;
  /** What was found and what was expected, without the path. */
  readonly message: string;
}

/** How many violations stand in the text of an error; `violations` has all. */
const MAX_TOLD = 100;

/** Thrown when a value does not fit its message; carries every violation, not the first alone. */
export class MessageError extends Error {
  override readonly name = 'MessageError';
  readonly typeName: string;
  readonly violations: readonly Violation[];

  constructor(typeName: string, violations: readonly Violation[]) {
    const list = violations
      .slice(0, MAX_TOLD)
      .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
    if (violations.length > MAX_TOLD) list.push(`and ${violations.length - MAX_TOLD} more`);
    super(`${typeName}: ${list.join('; ')}`);
    this.typeName = typeName;
    this.violations = violations;
  }
}

/** A short picture of a value for an error text. */
export function picture(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
