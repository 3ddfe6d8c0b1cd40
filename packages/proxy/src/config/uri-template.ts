/**
 * Templates of paths: `/videos/{name=*}/**` and what a path that matches one is rewritten to
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/path/match/uri_template/v3/uri_template_match.proto).
 */
import { anyOf, built, message, name, type Schema, text } from './schema.ts';

export interface UriTemplate {
  /** Of a whole path without its query; what variables stand for is in groups of their names. */
  readonly pattern: RegExp;
  readonly variables: ReadonlySet<string>;
}

/** A text as it is, or the name of a variable. */
export type RewritePart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'variable'; readonly name: string };

/** Characters of one segment of a path, but `*` and `=` (RFC 3986, 3.3). */
const CHARACTERS = "a-zA-Z0-9\\-._~%!$&'()+,;:@";
const SEGMENT = `[${CHARACTERS}]+`;
const SEGMENTS = `[${CHARACTERS}/]*`;
const LITERAL = new RegExp(`^[${CHARACTERS}]+$`);
const VARIABLE = /^[a-zA-Z][a-zA-Z0-9_]{0,15}$/;
const MAX_VARIABLES = 5;

/** Reads one template from its start to its end. */
class TemplateReader {
  readonly variables = new Set<string>();
  #hasTextGlob = false;

  /** The expression for a text between two slashes. */
  segment(part: string): string {
    const variable = /^\{([^=}]*)(?:=([^}]*))?\}(.*)$/.exec(part);
    if (variable) return this.#variable(variable[1] ?? '', variable[2]) + this.#suffix(variable[3] ?? '');
    const glob = /^(\*\*?)(.*)$/.exec(part);
    return glob ? this.#glob(glob[1] ?? '') + this.#suffix(glob[2] ?? '') : this.#literal(part);
  }

  #variable(variable: string, match = '*'): string {
    if (!VARIABLE.test(variable)) throw new Error(`${JSON.stringify(variable)} is no name of a variable`);
    if (this.variables.has(variable)) throw new Error(`the variable ${variable} stands there twice`);
    this.variables.add(variable);
    if (this.variables.size > MAX_VARIABLES) throw new Error(`there are more than ${MAX_VARIABLES} variables`);
    const parts = match.split('/').map((part) => (/^\*\*?$/.test(part) ? this.#glob(part) : this.#literal(part)));
    return `(?<${variable}>${parts.join('/')})`;
  }

  #glob(glob: string): string {
    if (this.#hasTextGlob) throw new Error('nothing but literals may come after **');
    this.#hasTextGlob = glob === '**';
    return this.#hasTextGlob ? SEGMENTS : SEGMENT;
  }

  #suffix(suffix: string): string {
    return suffix === '' ? '' : this.#literal(suffix);
  }

  #literal(literal: string): string {
    if (!LITERAL.test(literal)) throw new Error(`${JSON.stringify(literal)} is no text of a path`);
    return literal.replaceAll(/[$()+.-]/g, '\\$&');
  }
}

/** Parts between slashes, where those inside of braces part nothing. */
function segmentsOf(template: string): readonly string[] {
  return template.match(/(?:\{[^}]*\}|[^/])+|(?<=\/)(?=\/|$)/g) ?? [];
}

/** The template, or a sentence that says what is wrong with it. */
export function compileUriTemplate(template: string): UriTemplate | string {
  if (!template.startsWith('/')) return `the template ${template} must start with a slash`;
  const reader = new TemplateReader();
  try {
    const parts = segmentsOf(template.slice(1)).map((part, index, all) => {
      const isLast = index === all.length - 1;
      if (part === '' && isLast) return '';
      if (!isLast && /^(?:\{[^}]*\}|\*\*?)[^{}]+$/.test(part) && !/^\*\*?$/.test(part)) {
        throw new Error('a text may follow a variable or * only at the end');
      }
      return reader.segment(part);
    });
    return { pattern: new RegExp(`^/${parts.join('/')}$`), variables: reader.variables };
  } catch (error) {
    return `the template ${template} cannot be used: ${(error as Error).message}`;
  }
}

/** The parts of what a path is rewritten to, or a sentence that says what is wrong. */
export function compileUriRewrite(rewrite: string): readonly RewritePart[] | string {
  if (!rewrite.startsWith('/')) return `${rewrite} must start with a slash`;
  const parts: RewritePart[] = [];
  for (const [part] of rewrite.matchAll(/\{[^}]*\}?|[^{]+/g)) {
    const variable = /^\{([^}]*)\}$/.exec(part)?.[1];
    if (variable !== undefined && VARIABLE.test(variable)) parts.push({ type: 'variable', name: variable });
    else if (new RegExp(`^[${CHARACTERS}/=]+$`).test(part) && !part.includes('//'))
      parts.push({ type: 'text', text: part });
    else return `${rewrite} cannot be a path: ${JSON.stringify(part)} is neither text of one nor a variable`;
  }
  return parts;
}

/** What a path that the template matches is rewritten to. */
export function rewriteByTemplate(path: string, { pattern }: UriTemplate, parts: readonly RewritePart[]): string {
  const groups = pattern.exec(path)?.groups ?? {};
  return parts.map((part) => (part.type === 'text' ? part.text : (groups[part.name] ?? ''))).join('');
}

const match = message('envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig', { path_template: name() });
const rewrite = message('envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig', {
  path_template_rewrite: name(),
});

/** An extension that matches paths by a template. */
export const uriTemplate: Schema<UriTemplate> = built(
  message('envoy.config.core.v3.TypedExtensionConfig', {
    name: text(),
    typed_config: anyOf({ 'uri-template': match }),
  }),
  ({ typed_config }, place) => {
    const given = typed_config?.value.path_template;
    const compiled = given && compileUriTemplate(given);
    if (typeof compiled === 'object') return compiled;
    if (compiled) place.refuse(compiled);
    return { pattern: /(?!)/, variables: new Set() };
  },
);

/** An extension that rewrites paths that a template matched. */
export const uriTemplateRewrite: Schema<readonly RewritePart[]> = built(
  message('envoy.config.core.v3.TypedExtensionConfig', {
    name: text(),
    typed_config: anyOf({ 'uri-template': rewrite }),
  }),
  ({ typed_config }, place) => {
    const given = typed_config?.value.path_template_rewrite;
    const compiled = given && compileUriRewrite(given);
    if (typeof compiled === 'object') return compiled;
    if (compiled) place.refuse(compiled);
    return [];
  },
);
