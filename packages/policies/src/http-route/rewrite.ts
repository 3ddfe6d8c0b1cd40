/** Changes of paths: https://gateway-api.sigs.k8s.io/reference/spec/#httppathmodifier. */
import type { PathChange, PathMatch } from '@weft/model';

/** The change in Envoy's words; the match is one of a path prefix where the prefix is replaced. */
export type EnvoyPathChange =
  | { readonly prefix_rewrite: string }
  | {
      readonly regex_rewrite: { readonly pattern: { readonly regex: string }; readonly substitution: string };
    };

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function substitution(text: string): string {
  return text.replaceAll('\\', '\\\\');
}

/** The whole path replaced, its query kept. */
function replaceAll(path: string): EnvoyPathChange {
  return { regex_rewrite: { pattern: { regex: '^/.*$' }, substitution: substitution(path) } };
}

/** `/foo/x` with the prefix `/foo` replaced by `/xyz` is `/xyz/x`; replaced by nothing or `/` it is `/x`. */
function replacePrefix(prefix: string, replacement: string): EnvoyPathChange {
  const trimmed = replacement.replace(/\/+$/, '');
  if (prefix === '/') return { prefix_rewrite: `${trimmed}/` };
  if (trimmed !== '') return { prefix_rewrite: trimmed };
  return { regex_rewrite: { pattern: { regex: `^${literal(prefix)}/?` }, substitution: '/' } };
}

export function pathChange(change: PathChange, match: PathMatch): EnvoyPathChange {
  switch (change.type) {
    case 'ReplaceFullPath':
      return replaceAll(change.replaceFullPath);
    case 'ReplacePrefixMatch':
      return replacePrefix(match.value, change.replacePrefixMatch);
  }
}
