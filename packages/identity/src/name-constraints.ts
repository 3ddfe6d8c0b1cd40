/** Which names a CA may issue: RFC 5280 4.2.1.10. */
import { contextTag, type DerReader, malformed } from './der.ts';
import { type GeneralName, readGeneralName } from './names.ts';

export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

function readSubtrees(list: DerReader): GeneralName[] {
  const names: GeneralName[] = [];
  do {
    const subtree = list.sequence('a name constraint');
    names.push(readGeneralName(subtree));
    // RFC 5280 allows no minimum but its default 0, which DER leaves out, and no maximum.
    subtree.end('a name constraint');
  } while (!list.atEnd);
  return names;
}

export function readNameConstraints(reader: DerReader): NameConstraints {
  const hasPermitted = reader.peek() === contextTag(0);
  const permitted = hasPermitted ? readSubtrees(reader.enter(contextTag(0), 'the permitted names')) : [];
  const hasExcluded = reader.peek() === contextTag(1);
  const excluded = hasExcluded ? readSubtrees(reader.enter(contextTag(1), 'the excluded names')) : [];
  reader.end('the name constraints');
  if (!hasPermitted && !hasExcluded) throw malformed('the name constraints are empty');
  return { permitted, excluded };
}

/** The host of a URI with an authority, in lower case; undefined where there is none. */
function hostOf(uri: string): string | undefined {
  return /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@]+)(?::\d*)?(?:[/?#]|$)/i.exec(uri)?.[1]?.toLowerCase();
}

function withinHost(host: string, constraint: string): boolean {
  const base = constraint.toLowerCase();
  return base.startsWith('.') ? host.endsWith(base) && host.length > base.length : host === base;
}

function withinDomain(name: string, constraint: string): boolean {
  const host = name.toLowerCase();
  const base = constraint.toLowerCase().replace(/^\./, '');
  return base === '' || host === base || host.endsWith(`.${base}`);
}

/** Whether a name is in a subtree of its own form; undefined where Weft cannot tell. */
function within(name: GeneralName, constraint: GeneralName): boolean | undefined {
  if (name.type === 'uri' && constraint.type === 'uri') {
    const host = hostOf(name.text);
    return host === undefined ? undefined : withinHost(host, constraint.text);
  }
  if (name.type === 'dns' && constraint.type === 'dns') return withinDomain(name.text, constraint.text);
  return undefined;
}

function describe(name: GeneralName): string {
  return 'text' in name ? JSON.stringify(name.text) : `a name of the form ${name.type}`;
}

/** Why these names break the constraints; undefined when they hold. What cannot be compared does not hold. */
export function constraintViolation(names: readonly GeneralName[], constraints: NameConstraints): string | undefined {
  for (const name of names) {
    const ofForm = (list: readonly GeneralName[]) => list.filter((constraint) => constraint.type === name.type);
    const permitted = ofForm(constraints.permitted);
    if (permitted.length > 0 && !permitted.some((constraint) => within(name, constraint) === true)) {
      return `${describe(name)} is not among the names that its CA may issue`;
    }
    if (ofForm(constraints.excluded).some((constraint) => within(name, constraint) !== false)) {
      return `${describe(name)} is among the names that its CA must not issue`;
    }
  }
  return undefined;
}
